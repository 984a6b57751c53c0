/**
 * @module The fold of uploads into sums, and the commitment to a sum that a commit record signs:
 * integers and hashes, alike for everyone.
 */
import { equalBytes } from '../bytes.ts';
import { addInto, createLanes, unpack, type Lanes, type RingLayout } from '../encoding/index.ts';
import { leafHashes } from '../encoding/leaves.ts';
import { rootOfHashes } from '../records/merkle.ts';

/** One accumulator for a round: memory O(d), whatever the number of uploads. */
export interface Fold {
  readonly lanes: Lanes;
  /**
   * @returns the lanes of this upload
   * @throws FloeError `upload_mismatch` when `packed` does not fit the layout
   */
  add(packed: Uint8Array): Lanes;
}

export const createFold = (layout: RingLayout): Fold => {
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  return {
    lanes,
    add: (packed) => {
      const own = unpack(packed, layout.modulusBits, layout.lanes);
      addInto(lanes, own, layout.modulusBits);
      return own;
    },
  };
};

/** Size and chunk root of the packed form of what is committed to. */
export interface Aggregate {
  readonly chunkRoot: Uint8Array;
  readonly size: number;
}

/** Commitment to the sums of groups: the root over their chunk roots, in order, and all bytes. */
export const aggregateOfGroups = (layout: RingLayout, sums: readonly Uint8Array[]): Aggregate => ({
  chunkRoot: rootOfHashes(sums.map((sum) => rootOfHashes(leafHashes(layout, sum)))),
  size: sums.reduce((size, { length }) => size + length, 0),
});

/** Whether two results commit to the same sum. */
export const sameAggregate = (a: Aggregate, b: Aggregate): boolean =>
  a.size === b.size && equalBytes(a.chunkRoot, b.chunkRoot);
