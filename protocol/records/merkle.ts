/**
 * @module Merkle trees as in RFC 9162, section 2.1: leaves and nodes are hashed under different prefixes, an odd subtree is
 * carried up unhashed. Used for cohorts, the leaves of vectors (encoding/leaves.ts) and the entries
 * of a round.
 */
import { sha256 } from '../bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** Pair by pair, level by level: the same tree as splitting at the largest power of two. */
const rootOf = (hashes: readonly Uint8Array[]): Uint8Array => {
  let level = hashes;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Uint8Array, level[i + 1]];
      above.push(right === undefined ? left : sha256(NODE, left, right));
    }
    level = above;
  }
  return level[0] as Uint8Array;
};

/** Hash of one leaf, 32 bytes. */
export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(LEAF, leaf);

/** Root over leaves whose hashes are known, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const rootOfHashes = (hashes: readonly Uint8Array[]): Uint8Array =>
  hashes.length === 0 ? sha256() : rootOf(hashes);

/** Root over `leaves`, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  rootOfHashes(leaves.map(leafHash));
