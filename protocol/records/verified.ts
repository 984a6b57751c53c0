/**
 * @module Records whose schema and signature were found to hold, by the hash of their bytes: they
 * are met as they are made, and again as the evidence of the commit in the round after. So those of
 * a round are dropped two rounds later, and not only when the memory for them is full.
 */
import type { SignedRecord } from './records.ts';

export interface VerifiedRecords {
  /** @param hash of the record, hex */
  get(hash: string): SignedRecord | undefined;
  add(hash: string, record: SignedRecord): void;
  /** Records kept now. */
  readonly size: number;
}

/** Rounds before and after the newest record whose records stay. */
const ROUNDS = 2;

const isFar = (one: SignedRecord, other: SignedRecord): boolean =>
  Math.abs(one.round - other.round) > ROUNDS && isSameRun(one, other);

const isSameRun = ({ run }: SignedRecord, other: SignedRecord): boolean =>
  run.every((byte, i) => byte === other.run[i]);

/** @param maxBytes lengths of the records that are kept, together */
export const createVerified = (maxBytes: number): VerifiedRecords => {
  // In the order of the last use.
  const kept = new Map<string, SignedRecord>();
  let total = 0;
  const drop = (hash: string, { bytes }: SignedRecord): void => {
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
