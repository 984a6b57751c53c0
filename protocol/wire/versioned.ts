/**
 * @module CBOR that names its version in a field. Bytes of another version are reported as such, by
 * `run_outdated`, where a strict schema would say of them that a field is wrong.
 */
import * as v from 'valibot';
import type { CborBudget } from './cbor-budget.ts';
import { decodeCbor, integer } from './cbor.ts';
import { FloeError, type ErrorCode } from '../errors.ts';

/** Of values of other versions: their schemas are not known here. */
const ANY_BUDGET = { elements: 1 << 20, depth: 32 };
const MAX_VERSION = 10_000;

export interface Version {
  /** The field that holds it. */
  readonly field: string;
  /** The one that is read here. */
  readonly version: number;
  /** What the bytes are, for people. */
  readonly what: string;
}

/** The error for what another version of Floe wrote. */
export const outdated = (what: string, found: number, version: number): FloeError =>
  new FloeError(
    'run_outdated',
    `${what} is of version ${found}, and this Floe reads version ${version}: it was written by ${found < version ? 'an older' : 'a newer'} Floe`,
    { version: found },
  );

/** The version in the field, where the bytes are a map that has one. */
const versionIn = (bytes: Uint8Array, field: string, maxBytes: number): number | undefined => {
  const schema = v.object({ [field]: integer(0, MAX_VERSION) });
  try {
    return decodeCbor(schema, bytes, 'data_malformed', maxBytes, ANY_BUDGET)[field];
  } catch {
    return undefined;
  }
};

/**
 * As `decodeCbor`. @throws FloeError `run_outdated` for another version; else `code` for bytes that
 * do not fit
 */
export const decodeVersioned = <Schema extends v.GenericSchema>(
  schema: Schema,
  { field, version, what }: Version,
  bytes: Uint8Array,
  code: ErrorCode,
  maxBytes: number,
  budget?: CborBudget,
): v.InferOutput<Schema> => {
  try {
    return decodeCbor(schema, bytes, code, maxBytes, budget);
  } catch (thrown) {
    const found = versionIn(bytes, field, maxBytes);
    throw found === undefined || found === version ? thrown : outdated(what, found, version);
  }
};
