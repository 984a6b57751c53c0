/**
 * @module Merkle trees as in RFC 9162, section 2.1: leaves and nodes are hashed under different
 * prefixes, an odd subtree is carried up unhashed. Used for cohorts, the leaves of vectors
 * (encoding/leaves.ts), the sealed entries of a member (secagg/entry-tree.ts) and the records of an
 * attempt.
 */
import { joinBytes, sha256 } from '../bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);
const HASH_BYTES = 32;

const above = (level: readonly Uint8Array[]): readonly Uint8Array[] =>
  Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => {
    const [left, right] = [level[2 * i] as Uint8Array, level[2 * i + 1]];
    return right === undefined ? left : sha256(NODE, left, right);
  });

/** Pair by pair, level by level: the same tree as splitting at the largest power of two. */
const rootOf = (hashes: readonly Uint8Array[]): Uint8Array => {
  let level = hashes;
  while (level.length > 1) level = above(level);
  return level[0] as Uint8Array;
};

/** Hash of one leaf, 32 bytes. */
export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(LEAF, leaf);

/**
 * Root over leaves whose hashes are known, 32 bytes; the root of no leaves is SHA-256 of nothing.
 */
export const rootOfHashes = (hashes: readonly Uint8Array[]): Uint8Array =>
  hashes.length === 0 ? sha256() : rootOf(hashes);

/** Root over `leaves`, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  rootOfHashes(leaves.map(leafHash));

const requireIndex = (index: number, size: number): void => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    throw new RangeError(`expected the index of one of ${size} leaves, got ${index}`);
};

/** All levels of a tree, from the leaf hashes up: for many inclusion proofs. */
export type MerkleTree = readonly (readonly Uint8Array[])[];

/** @param hashes of all leaves */
export const merkleTree = (hashes: readonly Uint8Array[]): MerkleTree => {
  const levels = [hashes];
  for (let level = hashes; level.length > 1;) {
    level = above(level);
    levels.push(level);
  }
  return levels;
};

/**
 * The inclusion proof of one leaf (RFC 9162, section 2.1.3): the siblings on its path to the root,
 * from the leaf up, joined. At most 32 bytes for each level; none in a tree of one leaf.
 * @throws RangeError for an index that no leaf has
 */
export const inclusionPath = (tree: MerkleTree, index: number): Uint8Array => {
  requireIndex(index, tree[0]?.length ?? 0);
  const path: Uint8Array[] = [];
  for (const [height, level] of tree.entries()) {
    const beside = level[(index >> height) ^ 1];
    if (beside !== undefined) path.push(beside);
  }
  return joinBytes(path);
};

/**
 * The root that a leaf hash and its inclusion proof give, in a tree of `size` leaves. Size and
 * index decide which hashes a proof holds and on which side each is: for one root there is one leaf
 * hash that any proof can show at an index.
 * @returns undefined for a path of another length than leaves of this index have @throws RangeError
 * for an index that no leaf has
 */
export const rootOfPath = (
  leaf: Uint8Array,
  index: number,
  size: number,
  path: Uint8Array,
): Uint8Array | undefined => {
  requireIndex(index, size);
  let [hash, at, rest] = [leaf, index, path];
  for (let width = size; width > 1; width = Math.ceil(width / 2)) {
    if ((at ^ 1) < width) {
      if (rest.length < HASH_BYTES) return undefined;
      const beside = rest.subarray(0, HASH_BYTES);
      rest = rest.subarray(HASH_BYTES);
      hash = at % 2 === 0 ? sha256(NODE, hash, beside) : sha256(NODE, beside, hash);
    }
    at >>= 1;
  }
  return rest.length === 0 ? hash : undefined;
};
