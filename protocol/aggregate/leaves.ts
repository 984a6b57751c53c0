/**
 * @module The chunk tree of a ring vector (secure-aggregation, section 2, step 8): one leaf is one rotation block, so that one
 * block of a sum can be recomputed from the same leaf of every upload. Uploads, the aggregate, the coordinator, verification
 * and the participants' spot checks all cut vectors here and nowhere else. Trees after RFC 9162, section 2.1.
 */
import { concatBytes, equalBytes } from '../bytes.ts';
import type { RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { leafHash, rootOfHashes } from '../merkle.ts';

/** 2^31 coordinates in leaves of 2^15 lanes; a vector of smaller blocks has at most 100 of them. */
export const MAX_LEAVES = 2 ** 16;
export const LEAF_HASH_BYTES = 32;

export interface Leaf {
  readonly index: number;
  /** Bytes [start, end) of the vector. A leaf is a multiple of 64 lanes, so it begins at a whole byte. */
  readonly start: number;
  readonly end: number;
  /** Its first lane, and how many it has: the last leaf holds the extra lanes too. */
  readonly lane: number;
  readonly lanes: number;
}

/** 1 to {@link MAX_LEAVES}. */
export const leafCount = ({ padded, leafLanes }: RingLayout): number =>
  Math.ceil(padded / leafLanes);

/**
 * Where a leaf lies.
 *
 * @param size bytes of the whole vector; an encrypted one is longer than its lanes, and its last leaf holds what is over
 * @throws FloeError `record_malformed` for an index that the vector has no leaf for
 */
export const leafAt = (layout: RingLayout, index: number, size = layout.byteLength): Leaf => {
  const count = leafCount(layout);
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new FloeError('record_malformed', `expected a leaf of 0 to ${count - 1}, got ${index}`);
  const lane = index * layout.leafLanes;
  const isLast = index === count - 1;
  const bytes = (layout.leafLanes / 8) * layout.modulusBits;
  return {
    index,
    start: index * bytes,
    end: isLast ? size : (index + 1) * bytes,
    lane,
    lanes: isLast ? layout.lanes - lane : layout.leafLanes,
  };
};

/** The hash of each leaf of a vector, in order. */
export const leafHashes = (layout: RingLayout, vector: Uint8Array): Uint8Array[] =>
  Array.from({ length: leafCount(layout) }, (_, index) => {
    const { start, end } = leafAt(layout, index, vector.length);
    return leafHash(vector.subarray(start, end));
  });

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
