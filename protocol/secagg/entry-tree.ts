/**
 * @module The tree over the sealed entries of one author: its Share record signs the root and the
 * number of entries, a holder gets its own entry with the path to that root, instead of everybody
 * getting the hash of every entry.
 *
 * Leaf: the place, under the context and the author, and the hash of the entry. So an entry is in
 * the tree of one author, of one attempt, for one holder. Places are counted as the holders of the
 * author are in the topology of the cohort, which the context binds; size and place decide the
 * shape of a path (records/merkle.ts). What any path shows at a place is therefore one entry,
 * however the author has made its tree.
 */
import { concatBytes, equalBytes, utf8 } from '../bytes.ts';
import {
  inclusionPath,
  leafHash,
  merkleTree,
  rootOfHashes,
  rootOfPath,
  type MerkleTree,
} from '../records/merkle.ts';
import { MAX_COHORT } from '../spec/run-spec.ts';
import type { Id } from './cohort.ts';
import { HASH_BYTES } from './require-lengths.ts';

/** Bytes of the longest path: one hash a level. */
export const MAX_ENTRY_PATH_BYTES = HASH_BYTES * Math.ceil(Math.log2(MAX_COHORT));

/** What a Share record says of the entries. */
export interface SignedEntries {
  /** Of the tree over all entries, 32 bytes. */
  readonly root: Uint8Array;
  /**
   * How many there are: one for each holder. Signed, because a root alone is that of trees of
   * several sizes to a path.
   */
  readonly size: number;
}

/** Whose entries, in which attempt. */
export interface EntryAuthor {
  readonly context: Uint8Array;
  readonly author: Id;
}

/** Hash of the leaf of the entry with this hash (`entryHash`) for the holder at `place`. */
export const entryLeaf = (
  { context, author }: EntryAuthor,
  place: number,
  hash: Uint8Array,
): Uint8Array =>
  leafHash(
    concatBytes(
      utf8('floe/secagg/entry-leaf/v1'),
      context,
      author,
      new Uint8Array([place >> 8, place]),
      hash,
    ),
  );

/** The hashes of all leaves. @param hashes of the entries, by place */
export const entryLeaves = (about: EntryAuthor, hashes: readonly Uint8Array[]): Uint8Array[] =>
  hashes.map((hash, place) => entryLeaf(about, place, hash));

/** What the author signs. @param hashes of the entries, by place */
export const signedEntries = (
  about: EntryAuthor,
  hashes: readonly Uint8Array[],
): SignedEntries => ({
  root: rootOfHashes(entryLeaves(about, hashes)),
  size: hashes.length,
});

/** The tree over the entries with these hashes, by place: made once for all holders. */
export const entryTree = (about: EntryAuthor, hashes: readonly Uint8Array[]): MerkleTree =>
  merkleTree(entryLeaves(about, hashes));

/** What shows the entry at `place` to its holder. @param tree from {@link entryTree} */
export const entryPath = (tree: MerkleTree, place: number): Uint8Array =>
  inclusionPath(tree, place);

/**
 * Whether the author signed the entry with this hash for the holder at `place`. @param path of any
 * length
 */
export const showsEntry = (
  about: EntryAuthor,
  { root, size }: SignedEntries,
  place: number,
  hash: Uint8Array,
  path: Uint8Array,
): boolean => {
  const isPlace = Number.isInteger(place) && place >= 0 && place < size;
  if (!isPlace || !Number.isInteger(size) || size > MAX_COHORT) return false;
  const found = rootOfPath(entryLeaf(about, place, hash), place, size, path);
  return found !== undefined && equalBytes(found, root);
};

/** Whether these are the hashes of all leaves of the tree that the author signed. */
export const areEntryLeaves = (
  { root, size }: SignedEntries,
  leaves: readonly Uint8Array[],
): boolean => leaves.length === size && equalBytes(rootOfHashes(leaves), root);
