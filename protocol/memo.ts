/**
 * @module Values kept in memory up to a total size; what was not used longest goes first. A memo
 * keeps what follows from bytes alone, by their hash: a participant meets the records of an attempt
 * as they are made, and again as the evidence of the commit, and a signature over the same bytes
 * verifies the same. For public values only.
 */
import { toHex } from './bytes.ts';

export interface SizedCache<Value> {
  get(name: string): Value | undefined;
  /**
   * Keeps a value as it is, unless one of this name is kept: nobody may change it afterwards.
   * @param size bytes that `value` takes, about; one above the limit is not kept
   */
  add(name: string, value: Value, size: number): void;
}

/**
 * @param maxBytes sizes kept together; 0 keeps nothing
 * @param maxEntries values kept together: small ones take more than their bytes
 * @param maxSize of one value; where this is above `maxBytes`, a larger value is kept alone
 */
export const sizedCache = <Value>(
  maxBytes: number,
  maxEntries = Number.POSITIVE_INFINITY,
  maxSize = maxBytes,
): SizedCache<Value> => {
  // In the order of the last use.
  const entries = new Map<string, { readonly value: Value; readonly size: number }>();
  let total = 0;
  return {
    get: (name) => {
      const entry = entries.get(name);
      if (entry === undefined) return undefined;
      entries.delete(name);
      entries.set(name, entry);
      return entry.value;
    },
    add: (name, value, size) => {
      if (size > maxSize || entries.has(name)) return;
      entries.set(name, { value, size });
      total += size;
      for (const [oldest, entry] of entries) {
        if (oldest === name || (total <= maxBytes && entries.size <= maxEntries)) return;
        entries.delete(oldest);
        total -= entry.size;
      }
    },
  };
};

export interface Memo<Value> {
  /** @param hash collision-resistant, over all that `value` follows from */
  get(hash: Uint8Array): Value | undefined;
  /** @param size bytes that `value` takes, about */
  add(hash: Uint8Array, value: Value, size: number): void;
}

/**
 * @param maxBytes sizes kept together; a value above that is not kept
 * @param maxEntries values kept together
 */
export const createMemo = <Value>(maxBytes: number, maxEntries: number): Memo<Value> => {
  const cache = sizedCache<Value>(maxBytes, maxEntries);
  return {
    get: (hash) => cache.get(toHex(hash)),
    add: (hash, value, size) => cache.add(toHex(hash), value, size),
  };
};
