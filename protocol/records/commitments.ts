/**
 * @module The hashes by which records and the ledger name sets: the survivors, the identities that
 * the next cohort is drawn from, the uploads of an attempt.
 */
import { compareBytes, sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { encodeCbor } from '../wire/cbor.ts';
import { merkleRoot } from './merkle.ts';

/** What is frozen with the survivors. */
export interface FrozenSurvivors {
  readonly context: Uint8Array;
  /** Sorted. */
  readonly members: readonly Uint8Array[];
  /** Hashes of their upload records, in the same order. */
  readonly uploads: readonly Uint8Array[];
  /** See {@link eligibleRoot}. */
  readonly eligible: Uint8Array;
}

/**
 * Hash of a survivor set and of the set that the next R draws from: what the ledger freezes and the
 * survivors sign.
 */
export const survivorsHash = ({
  context,
  members,
  uploads,
  eligible,
}: FrozenSurvivors): Uint8Array =>
  sha256(utf8('floe/survivors/v2'), encodeCbor({ context, members, uploads, eligible }));

/** Merkle root of the sorted identities that R draws the next cohort from. */
export const eligibleRoot = (sorted: readonly Uint8Array[]): Uint8Array =>
  sha256(utf8('floe/eligible/v1'), merkleRoot(sorted));

/**
 * What an attempt's model is made of: Merkle root over the hashes of the survivors' upload records,
 * in the order of the members. Each record names its author, its blob's hash and its chunks' root,
 * so a path to the root shows that an update counted.
 */
export const dataCommitment = (uploads: readonly Uint8Array[]): Uint8Array => merkleRoot(uploads);

/**
 * Sorted copy of a list of keys, in byte order. @throws FloeError `record_malformed` when a key is
 * there twice
 */
export const sortKeys = (list: readonly Uint8Array[]): Uint8Array[] => {
  const sorted = list.toSorted(compareBytes);
  for (let i = 1; i < sorted.length; i += 1)
    if (compareBytes(sorted[i - 1] as Uint8Array, sorted[i] as Uint8Array) === 0)
      throw new FloeError('record_malformed', 'a key is listed twice');
  return sorted;
};
