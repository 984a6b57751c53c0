/**
 * @module Merkle trees as in RFC 9162, section 2.1: leaves and nodes are hashed under different prefixes, an odd subtree is
 * carried up unhashed. Used for cohorts, 1 MiB chunks of blobs and the entries of a round.
 */
import { sha256 } from './bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** Blobs and sums are committed to in leaves of this many bytes, so that one leaf can be disputed alone. */
export const CHUNK_BYTES = 1 << 20;

const rootOf = (hashes: readonly Uint8Array[]): Uint8Array => {
  if (hashes.length === 1) return hashes[0] as Uint8Array;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(NODE, rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
};

/** Root over `leaves`, 32 bytes; the root of no leaves is SHA-256 of nothing. */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  leaves.length === 0 ? sha256() : rootOf(leaves.map((leaf) => sha256(LEAF, leaf)));

/** Root over the 1 MiB chunks of `bytes`. */
export const chunkRoot = (bytes: Uint8Array): Uint8Array => {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  return merkleRoot(chunks);
};
