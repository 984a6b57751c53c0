/**
 * @module The context of an attempt: one hash of everything its masks depend on. A coordinator that
 * shows one participant another model, configuration, cohort, registration or beacon gives it
 * another context; its masks then cancel with nobody's, and the sum is noise (the answer to
 * Pasquini et al. 2022). The registrations are in it because they hold the keys: a member that
 * signs two in one attempt would make what is sealed to the one look bad to who was shown the
 * other.
 */
import { concatBytes, sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { merkleRoot } from '../records/merkle.ts';
import { requireSortedIds } from './cohort.ts';
import type { Id } from './cohort.ts';
import { requireCohortSize } from './graph.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

/** All hashes have 32 bytes. */
export interface AttemptContextInit {
  /** Hash of the run specification. */
  readonly runHash: Uint8Array;
  /** 0 to 2^53 - 1. */
  readonly attempt: number;
  readonly modelHash: Uint8Array;
  readonly cohortRoot: Uint8Array;
  /** Merkle root over the hashes of the members' Register records, in their order. */
  readonly registersRoot: Uint8Array;
  readonly beacon: Uint8Array;
}

const hash32 = (value: Uint8Array, what: string): Uint8Array => {
  requireBytes(value, HASH_BYTES, 'record_malformed', what);
  return value;
};

/**
 * The 32-byte context. @throws FloeError `record_malformed` for a field of another length or range.
 */
export const attemptContext = (init: AttemptContextInit): Uint8Array => {
  if (!Number.isSafeInteger(init.attempt) || init.attempt < 0)
    throw new FloeError('record_malformed', `expected an attempt number, got ${init.attempt}`);
  const attempt = new Uint8Array(8);
  new DataView(attempt.buffer).setBigUint64(0, BigInt(init.attempt));
  return sha256(
    utf8('floe/secagg/context/v3'),
    hash32(init.runHash, 'runHash'),
    attempt,
    hash32(init.modelHash, 'modelHash'),
    hash32(init.cohortRoot, 'cohortRoot'),
    hash32(init.registersRoot, 'registersRoot'),
    hash32(init.beacon, 'beacon'),
  );
};

/**
 * Merkle root (RFC 9162) over the ids of the cohort, 3 to 255, strictly ascending.
 * @throws FloeError `cohort_too_small`, `cohort_too_large`, `record_malformed` (order, lengths,
 *   duplicates).
 */
export const cohortRoot = (sortedIds: readonly Id[]): Uint8Array => {
  requireCohortSize(sortedIds.length);
  requireSortedIds(sortedIds, 'record_malformed', 'cohort');
  return merkleRoot(sortedIds.map((id) => concatBytes(utf8('floe/secagg/cohort/v1'), id)));
};
