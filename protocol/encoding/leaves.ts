/**
 * @module The chunk tree of a ring vector (secure-aggregation, section 2, step 8): one leaf is one
 * block, and the last one the extra lanes. So one block of a sum can be recomputed from the same
 * leaf of every upload, and decoded alone. Uploads, the aggregate, the coordinator, verification
 * and the participants' spot checks all cut vectors here and nowhere else. Trees after RFC 9162,
 * section 2.1.
 */
import { concatBytes, equalBytes } from '../bytes.ts';
import { segmentAt, type RingLayout } from './layout.ts';
import { FloeError } from '../errors.ts';
import { atOnce, type Steps } from '../steps.ts';
import { leafHash, rootOfHashes } from '../records/merkle.ts';

/**
 * 2^31 coordinates in blocks of 2^15 lanes, and the extra lanes; smaller blocks are at most 100.
 */
export const MAX_LEAVES = 2 ** 16 + 1;
export const LEAF_HASH_BYTES = 32;

export interface Leaf {
  readonly index: number;
  /**
   * Bytes [start, end) of the vector. A block is a multiple of 64 lanes, so leaves are whole bytes.
   */
  readonly start: number;
  readonly end: number;
  /** Its first lane, and how many it has. */
  readonly lane: number;
  readonly lanes: number;
}

/** The blocks and the extra lanes: 2 to {@link MAX_LEAVES}. */
export const leafCount = ({ blocks }: RingLayout): number => blocks + 1;

/**
 * Where a leaf lies.
 *
 * @param size bytes of the whole vector; an encrypted one is longer than its lanes, and its last
 * leaf holds what is over
 * @throws FloeError `record_malformed` for an index that the vector has no leaf for
 */
export const leafAt = (layout: RingLayout, index: number, size = layout.byteLength): Leaf => {
  const count = leafCount(layout);
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new FloeError('record_malformed', `expected a leaf of 0 to ${count - 1}, got ${index}`);
  const bytesOf = (lanes: number): number => (lanes / 8) * layout.modulusBits;
  if (index === count - 1) {
    const { padded: lane, extraLanes: lanes } = layout;
    return { index, start: bytesOf(lane), end: size, lane, lanes };
  }
  const { firstBlock, firstLane, blockSize: lanes } = segmentAt(layout, index);
  const lane = firstLane + (index - firstBlock) * lanes;
  return { index, start: bytesOf(lane), end: bytesOf(lane + lanes), lane, lanes };
};

/**
 * The leaf of a block: not that of the extra lanes. @throws FloeError `record_malformed` for a
 * block that the vector does not have
 */
export const blockLeaf = (layout: RingLayout, index: number): Leaf => {
  if (index < layout.blocks) return leafAt(layout, index);
  throw new FloeError(
    'record_malformed',
    `expected a block of 0 to ${layout.blocks - 1}, got ${index}`,
  );
};

/** The leaf of the extra lanes: weight, clip count and metrics. */
export const extrasLeaf = (layout: RingLayout, size = layout.byteLength): Leaf =>
  leafAt(layout, layout.blocks, size);

/** As {@link leafHashes}, in steps: yields the lanes of each leaf. */
const hashSteps = function* (layout: RingLayout, vector: Uint8Array): Steps<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  for (let index = 0; index < leafCount(layout); index += 1) {
    const { start, end, lanes } = leafAt(layout, index, vector.length);
    hashes.push(leafHash(vector.subarray(start, end)));
    yield lanes;
  }
  return hashes;
};

/** The hash of each leaf of a vector, in order. */
export const leafHashes = (layout: RingLayout, vector: Uint8Array): Uint8Array[] =>
  atOnce(hashSteps(layout, vector));

/** As {@link chunkRoot}, in steps: yields lanes done. */
export const chunkRootSteps = function* (
  layout: RingLayout,
  vector: Uint8Array,
): Steps<Uint8Array> {
  return rootOfHashes(yield* hashSteps(layout, vector));
};

/** Root of the chunk tree: what an upload and a commit record sign. */
export const chunkRoot = (layout: RingLayout, vector: Uint8Array): Uint8Array =>
  rootOfHashes(leafHashes(layout, vector));

/** Hashes of leaves as one string of bytes, and back. */
export const joinHashes = (hashes: readonly Uint8Array[]): Uint8Array => concatBytes(...hashes);

export const splitHashes = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: bytes.length / LEAF_HASH_BYTES }, (_, i) =>
    bytes.subarray(i * LEAF_HASH_BYTES, (i + 1) * LEAF_HASH_BYTES),
  );

/** Whether these are the hashes of all leaves of the vector with this chunk root. */
export const areLeavesOf = (layout: RingLayout, joined: Uint8Array, root: Uint8Array): boolean =>
  joined.length === leafCount(layout) * LEAF_HASH_BYTES &&
  equalBytes(rootOfHashes(splitHashes(joined)), root);
