/**
 * @module Lengths that every function of secure aggregation checks at its boundary.
 */
import { FloeError, type ErrorCode } from '../errors.ts';

/** Bytes of an id, a context, a seed or a hash. */
export const HASH_BYTES = 32;

/**
 * Throws `code` unless `value` is a Uint8Array of `length` bytes; `what` names it in the message.
 */
export const requireBytes = (
  value: Uint8Array,
  length: number,
  code: ErrorCode,
  what: string,
): void => {
  if (!(value instanceof Uint8Array) || value.length !== length)
    throw new FloeError(code, `${what}: expected ${length} bytes, got ${value?.length}`);
};
