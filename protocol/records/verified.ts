/**
 * @module Records whose schema and signature were found to hold, by the hash of their bytes: they
 * are met as they are made, and again as the evidence of the commit in the attempt after. So those
 * of an attempt are dropped two attempts later, and not only when the memory for them is full.
 */

/** What is looked at of a record. */
export interface Kept {
  /** Hash of the run specification. */
  readonly run: Uint8Array;
  readonly attempt: number;
  readonly bytes: Uint8Array;
}

export interface VerifiedRecords<Item extends Kept> {
  /** @param hash of the record, hex */
  get(hash: string): Item | undefined;
  add(hash: string, record: Item): void;
  /** Records kept now. */
  readonly size: number;
}

/** Rounds before and after the newest record whose records stay. */
const ROUNDS = 2;

const isFar = (one: Kept, other: Kept): boolean =>
  Math.abs(one.attempt - other.attempt) > ROUNDS && isSameRun(one, other);

const isSameRun = ({ run }: Kept, other: Kept): boolean =>
  run.every((byte, i) => byte === other.run[i]);

/** @param maxBytes lengths of the records that are kept, together */
export const createVerified = <Item extends Kept>(maxBytes: number): VerifiedRecords<Item> => {
  // In the order of the last use.
  const kept = new Map<string, Item>();
  let total = 0;
  const drop = (hash: string, { bytes }: Item): void => {
    kept.delete(hash);
    total -= bytes.length;
  };
  return {
    get: (hash) => {
      const record = kept.get(hash);
      if (record === undefined) return undefined;
      kept.delete(hash);
      kept.set(hash, record);
      return record;
    },
    add: (hash, record) => {
      if (record.bytes.length > maxBytes || kept.has(hash)) return;
      kept.set(hash, record);
      total += record.bytes.length;
      for (const [oldest, entry] of kept) {
        if (total <= maxBytes && !isFar(entry, record)) return;
        drop(oldest, entry);
      }
    },
    get size() {
      return kept.size;
    },
  };
};
