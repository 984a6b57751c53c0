/**
 * @module Batches (So et al. 2023, "Securing secure aggregation: mitigating multi-round privacy
 * leakage"): the members of a closed run are partitioned once, and a batch takes part whole or not
 * at all. So every combination of the sums of a run is a combination of sums of whole batches, and
 * no single member can be subtracted out.
 */
import { compareBytes, sha256, utf8 } from '../bytes.ts';

const TAG = utf8('floe/batch/v1');

export interface BatchSizes {
  /** Fewest members of a batch: the minimum cohort. */
  readonly minimum: number;
  /** Most members of a batch: the cohort's size. */
  readonly size: number;
}

/**
 * How many batches `members` keys make, as few as fit; undefined where no partition keeps within
 * the sizes.
 */
export const batchCount = (members: number, { minimum, size }: BatchSizes): number | undefined => {
  const count = Math.ceil(members / size);
  return count >= 1 && count * minimum <= members ? count : undefined;
};

/**
 * The partition: every key is in exactly one batch, sizes differ by at most one. The order is that
 * of SHA-256(tag || id || key), so it follows from the specification alone.
 *
 * @param id of the specification, 16 bytes
 * @returns batches with their keys ascending; none where no partition keeps within the sizes
 */
export const partition = (
  id: Uint8Array,
  keys: readonly Uint8Array[],
  sizes: BatchSizes,
): readonly (readonly Uint8Array[])[] => {
  const count = batchCount(keys.length, sizes);
  if (count === undefined) return [];
  const shuffled = keys
    .map((key) => ({ key, ticket: sha256(TAG, id, key) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .map(({ key }) => key);
  const start = (batch: number): number => Math.floor((batch * keys.length) / count);
  return Array.from({ length: count }, (_, batch) =>
    shuffled.slice(start(batch), start(batch + 1)).toSorted(compareBytes),
  );
};
