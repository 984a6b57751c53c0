/**
 * @module The frozen cohort of one attempt: who takes part, in the order that gives every member
 * its index, with the public keys it registered, and who masks with whom (graph.ts).
 */
import { compareBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import {
  graphFor,
  placeOf,
  requireCohortSize,
  topologyOf,
  type Graph,
  type Topology,
} from './graph.ts';
import { importPublicKeys, type PeerKeys, type PublicKeys } from './keys.ts';
import { platformPrimitives, type Primitives } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

/** A participant's identity: 32 bytes, compared bytewise. */
export type Id = Uint8Array;

/**
 * What a member published at Register: the keys that masks are agreed with, and those that shares
 * are sealed to.
 */
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

/** A validated cohort; make one with {@link freezeCohort}. */
export interface Cohort {
  readonly members: readonly Member[];
  readonly topology: Topology;
  /** Index in `members` by the lower-case hex of the id. */
  readonly indexByHex: ReadonlyMap<string, number>;
  /** What the members' keys were imported with. */
  readonly primitives: Primitives;
}

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
 * @param beacon drawn after the cohort was frozen: the graph is made of it
 * @throws FloeError `cohort_too_small`, `cohort_too_large`, `key_invalid`, `record_conflict` (an id
 *   twice).
 */
export const freezeCohort = (
  registered: readonly Registered[],
  beacon: Uint8Array,
  options: {
    readonly primitives?: Primitives | undefined;
    readonly graph?: Graph | undefined;
  } = {},
): Cohort => {
  requireCohortSize(registered.length);
  const { primitives = platformPrimitives, graph = graphFor(registered.length) } = options;
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
  return { members, topology: topologyOf(members.length, beacon, graph), indexByHex, primitives };
};

/** Index of `id` in the cohort, or undefined. */
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

/**
 * The place of `holder` among the holders of `author`: of its entry, and of its Shamir point minus
 * one.
 * @returns undefined where it holds no share of it @throws FloeError `not_in_cohort`
 */
export const holderPlace = (cohort: Cohort, author: Id, holder: Id): number | undefined =>
  placeOf(cohort.topology, indexOf(cohort, author), indexOf(cohort, holder));

/**
 * The holders of the shares of `author`, in the order of their places. @throws FloeError
 * `not_in_cohort`
 */
export const holdersOf = (cohort: Cohort, author: Id): readonly Member[] =>
  (cohort.topology.holders[indexOf(cohort, author)] ?? []).map((index) => cohort.members[index]!);
