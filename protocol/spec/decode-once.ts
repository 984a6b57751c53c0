/**
 * @module Values that are decoded once for the same bytes. A specification lists every member, and
 * many participants in one process are each sent the same one: decoding it for each would take time
 * and memory that grow with the square of their number. A value is shared, so it is frozen.
 */
import { sha256, toHex } from '../bytes.ts';

/** A process is rarely in more runs than this; the oldest goes first. */
const KEPT = 2;

const interned = new WeakSet<object>();

/** Whether a value was decoded here, and so cannot change. */
export const isInterned = (value: object): boolean => interned.has(value);

const freeze = (value: unknown): void => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
};

export interface Interned<Value> {
  /** @throws what `decode` throws, each time */
  decode(bytes: Uint8Array): Value;
}

/** @param decode is given a copy of the bytes that nobody else holds */
export const createInterned = <Value extends object>(
  decode: (bytes: Uint8Array) => Value,
): Interned<Value> => {
  const kept = new Map<string, Value>();
  return {
    decode: (given) => {
      const name = toHex(sha256(given));
      const known = kept.get(name);
      if (known !== undefined) return known;
      const value = decode(given.slice());
      freeze(value);
      interned.add(value);
      kept.set(name, value);
      const [oldest] = kept.keys();
      if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
      return value;
    },
  };
};
