/**
 * @module A memo of what follows from bytes alone, by their hash: a participant meets the records of a round as they are made,
 * and again as the evidence of the commit, and a signature over the same bytes verifies the same. Bounded in bytes; what was
 * not asked for longest is forgotten first. For public values only.
 */
import { toHex } from './bytes.ts';

export interface Memo<Value> {
  /** @param hash collision-resistant, over all that `value` follows from */
  get(hash: Uint8Array): Value | undefined;
  /** @param size bytes that `value` takes, about */
  add(hash: Uint8Array, value: Value, size: number): void;
}

/** @param maxBytes sizes kept together; a value above that is not kept */
export const createMemo = <Value>(maxBytes: number): Memo<Value> => {
  // In the order of the last use.
  const entries = new Map<string, { readonly value: Value; readonly size: number }>();
  let total = 0;
  return {
    get: (hash) => {
      const name = toHex(hash);
      const entry = entries.get(name);
      if (entry === undefined) return undefined;
      entries.delete(name);
      entries.set(name, entry);
      return entry.value;
    },
    add: (hash, value, size) => {
      const name = toHex(hash);
      if (size > maxBytes || entries.has(name)) return;
      entries.set(name, { value, size });
      total += size;
      for (const [oldest, entry] of entries) {
        if (total <= maxBytes) return;
        entries.delete(oldest);
        total -= entry.size;
      }
    },
  };
};
