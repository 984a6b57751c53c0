/**
 * @module CBOR (RFC 8949) of frames, records and everything that is signed or hashed. Encoding is
 * deterministic (section 4.2.1), so that equal values have equal hashes.
 */
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import * as v from 'valibot';
import { BudgetedTokenizer, budgetOf, type CborBudget } from './cbor-budget.ts';
import { FloeError, type ErrorCode } from '../errors.ts';
import { issueText } from './issue.ts';

/**
 * Plain data: numbers, strings, booleans, null, byte strings, arrays, objects. `undefined`
 * properties are left out.
 */
export const encodeCbor = (value: unknown): Uint8Array<ArrayBuffer> =>
  encode(value, { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true });

/**
 * Decodes CBOR and checks it against `schema`. Lengths are definite and in their shortest form, no
 * key comes twice, no float is NaN or infinite. The order of keys is free: what is signed or hashed
 * is kept as the bytes that arrived, and never encoded again.
 *
 * @param maxBytes refused above this size, before anything is parsed
 * @param budget of elements, where the schema does not say what is in it
 * @throws FloeError with `code` when bytes or elements are too many, or do not fit the schema
 */
export const decodeCbor = <Schema extends v.GenericSchema>(
  schema: Schema,
  bytes: Uint8Array,
  code: ErrorCode,
  maxBytes: number,
  budget: CborBudget = budgetOf(schema),
): v.InferOutput<Schema> => parseWith(schema, decodeValue(bytes, code, maxBytes, budget), code);

export const DECODE_OPTIONS = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const;

const decodeValue = (
  bytes: Uint8Array,
  code: ErrorCode,
  maxBytes: number,
  budget: CborBudget,
): unknown => {
  if (bytes.length > maxBytes)
    throw new FloeError(
      code === 'frame_malformed' ? 'frame_too_large' : code,
      `expected at most ${maxBytes} bytes, got ${bytes.length}`,
    );
  try {
    const tokenizer = new BudgetedTokenizer(bytes, DECODE_OPTIONS, budget);
    return decode(bytes, { ...DECODE_OPTIONS, tokenizer });
  } catch (cause) {
    throw new FloeError(code, `not CBOR: ${(cause as Error).message}`, {}, { cause });
  }
};

/** Checks `value` against `schema`; the message names the first field that does not fit. */
export const parseWith = <Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  code: ErrorCode,
): v.InferOutput<Schema> => {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new FloeError(code, issueText(result.issues[0]));
};

const byteString = v.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes');

/** A byte string of exactly `length` bytes. */
export const fixedBytes = (length: number) =>
  v.pipe(
    byteString,
    v.check((bytes) => bytes.length === length, `expected ${length} bytes`),
    v.metadata({ bytes: length }),
  );

/** A byte string of at most `max` bytes. */
export const bytesUpTo = (max: number) =>
  v.pipe(
    byteString,
    v.check((bytes) => bytes.length <= max, `expected at most ${max} bytes`),
    v.metadata({ maxBytes: max }),
  );

/** A safe integer in [min, max]. */
export const integer = (min: number, max: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));
