/**
 * @module CBOR that names its version in a field. Bytes of another version are reported as such, by
 * `run_outdated`, where a strict schema would say of them that a field is wrong.
 */
import { Type } from 'cborg';
import type * as v from 'valibot';
import { BudgetedTokenizer, budgetOf, type CborBudget } from './cbor-budget.ts';
import { DECODE_OPTIONS, decodeCbor } from './cbor.ts';
import { FloeError, type ErrorCode } from '../errors.ts';

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

/** A piece of CBOR: a number, a text, or the size of a list or map. */
interface Piece {
  readonly type: Type;
  readonly value?: unknown;
}

/** Passes over one value. */
const skip = (tokens: BudgetedTokenizer): void => {
  for (let left = 1; left > 0; left -= 1) {
    const piece: Piece = tokens.next();
    if (piece.type === Type.array) left += Number(piece.value);
    else if (piece.type === Type.map) left += 2 * Number(piece.value);
    else if (piece.type === Type.tag) left += 1;
  }
};

/**
 * The version in the field, where the bytes are a map that has one. Nothing but the field is
 * decoded: the bytes may be hostile, and have cost one budget already.
 */
const versionIn = (bytes: Uint8Array, field: string, budget: CborBudget): number | undefined => {
  try {
    const tokens = new BudgetedTokenizer(bytes, DECODE_OPTIONS, budget);
    const map: Piece = tokens.next();
    if (map.type !== Type.map) return undefined;
    for (let i = 0; i < Number(map.value); i += 1) {
      const key: Piece = tokens.next();
      if (key.type === Type.string && key.value === field) {
        const found: Piece = tokens.next();
        const version = found.type === Type.uint ? Number(found.value) : Infinity;
        return version <= MAX_VERSION ? version : undefined;
      }
      skip(tokens);
    }
    return undefined;
  } catch {
    // Not CBOR, or beyond the budget: the error of the first decoding stands.
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
  budget: CborBudget = budgetOf(schema),
): v.InferOutput<Schema> => {
  try {
    return decodeCbor(schema, bytes, code, maxBytes, budget);
  } catch (thrown) {
    const found = bytes.length > maxBytes ? undefined : versionIn(bytes, field, budget);
    throw found === undefined || found === version ? thrown : outdated(what, found, version);
  }
};
