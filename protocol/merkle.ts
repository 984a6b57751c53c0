/**
 * @module Merkle trees as in RFC 9162, section 2.1: leaves and nodes are hashed under different prefixes, an odd subtree is
 * carried up unhashed. Used for cohorts, the leaves of vectors (aggregate/leaves.ts) and the entries of a round.
 */
import { sha256 } from './bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

const rootOf = (hashes: readonly Uint8Array[]): Uint8Array => {
  if (hashes.length === 1) return hashes[0] as Uint8Array;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(NODE, rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
};

/** Hash of one leaf, 32 bytes. */
export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(LEAF, leaf);

/** Root over leaves whose hashes are known, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const rootOfHashes = (hashes: readonly Uint8Array[]): Uint8Array =>
  hashes.length === 0 ? sha256() : rootOf(hashes);

/** Root over `leaves`, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  rootOfHashes(leaves.map(leafHash));
