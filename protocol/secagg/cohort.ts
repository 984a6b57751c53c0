/**
 * @module The frozen cohort of one round: who takes part, in the order that gives every member its
 * index and its Shamir point, with the public keys it registered, and the threshold (complete graph
 * of Bonawitz et al. 2017).
 */
import { compareBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { MAX_COHORT, MIN_COHORT } from '../spec/run-spec.ts';
import { importPublicKeys, type PeerKeys, type PublicKeys } from './keys.ts';
import { platformPrimitives, type Primitives } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require.ts';

/** A participant's identity: 32 bytes, compared bytewise. */
export type Id = Uint8Array;

/** What a member published at Register: the keys that masks are agreed with, and those that shares are sealed to. */
export interface Registered {
  readonly id: Id;
  readonly mask: PublicKeys;
  readonly seal: PublicKeys;
}

/** A registered member with its keys checked, imported once for the attempt. */
export interface Member {
  readonly id: Id;
  readonly mask: PeerKeys;
  readonly seal: PeerKeys;
}

/**
 * A validated cohort; make one with {@link freezeCohort}. `threshold` is t of the Shamir sharings.
 */
export interface Cohort {
  readonly members: readonly Member[];
  readonly threshold: number;
  /** Index in `members` by the lower-case hex of the id. */
  readonly indexByHex: ReadonlyMap<string, number>;
  /** What the members' keys were imported with. */
  readonly primitives: Primitives;
}

/**
 * Throws unless `n` is a size the protocol supports: with two, each learns the other's update by
 * subtraction; GF(2^8) has 255 non-zero points for Shamir's shares.
 */
export const requireCohortSize = (n: number): void => {
  if (!Number.isInteger(n) || n < MIN_COHORT)
    throw new FloeError('cohort_too_small', `expected at least ${MIN_COHORT} members, got ${n}`);
  if (n > MAX_COHORT)
    throw new FloeError('cohort_too_large', `expected at most ${MAX_COHORT} members, got ${n}`);
};

/**
 * t = floor(2n/3) + 1: two quorums of t share more than n/3 members, so a coordinator that lies to
 * some of them needs more than a third of the cohort on its side to collect both kinds of shares
 * for one peer.
 * @throws FloeError `cohort_too_small`, `cohort_too_large`.
 */
export const threshold = (n: number): number => {
  requireCohortSize(n);
  return Math.floor((2 * n) / 3) + 1;
};

/**
 * Throws `code` unless `ids` are 32-byte ids in strictly ascending order (so: no duplicates, one
 * canonical list).
 */
export const requireSortedIds = (ids: readonly Id[], code: ErrorCode, what: string): void => {
  for (const [i, id] of ids.entries()) {
    requireBytes(id, HASH_BYTES, code, `${what}[${i}]`);
    if (i > 0 && compareBytes(ids[i - 1]!, id) >= 0)
      throw new FloeError(code, `${what}: expected strictly ascending ids, broken at index ${i}`);
  }
};

/**
 * Sorts and checks the registered members: 3 to 255, distinct 32-byte ids, valid keys. Needs
 * `ready()`.
 * @throws FloeError `cohort_too_small`, `cohort_too_large`, `key_invalid`, `record_conflict` (an id
 *   twice).
 */
export const freezeCohort = (
  registered: readonly Registered[],
  primitives: Primitives = platformPrimitives,
): Cohort => {
  requireCohortSize(registered.length);
  const indexByHex = new Map<string, number>();
  const sorted = registered.toSorted((a, b) => compareBytes(a.id, b.id));
  const members = sorted.map(({ id, mask, seal }, index): Member => {
    requireBytes(id, HASH_BYTES, 'record_malformed', 'participant id');
    const hex = toHex(id);
    if (indexByHex.has(hex))
      throw new FloeError('record_conflict', 'the same id is registered twice', { author: hex });
    indexByHex.set(hex, index);
    return {
      id,
      mask: importPublicKeys(mask, primitives),
      seal: importPublicKeys(seal, primitives),
    };
  });
  return { members, threshold: threshold(members.length), indexByHex, primitives };
};

/** Index of `id` in the cohort, or undefined. Its Shamir point is the index + 1. */
export const findIndex = (cohort: Cohort, id: Id): number | undefined =>
  cohort.indexByHex.get(toHex(id));

/** Index of `id` in the cohort. @throws FloeError `not_in_cohort`. */
export const indexOf = (cohort: Cohort, id: Id): number => {
  const index = findIndex(cohort, id);
  if (index === undefined)
    throw new FloeError('not_in_cohort', 'expected a member of the frozen cohort', {
      author: toHex(id),
    });
  return index;
};

/** The member with this id. @throws FloeError `not_in_cohort`. */
export const memberOf = (cohort: Cohort, id: Id): Member => cohort.members[indexOf(cohort, id)]!;
