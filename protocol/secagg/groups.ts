/**
 * @module A cohort in groups: the beacon permutes the members, who mask and share within their
 * group, so that the sum of each group can be opened alone (secure-aggregation, section 5; Bell et
 * al. 2020 for the seed that nobody chooses). The graph is the disjoint union of complete graphs.
 * Members are indices of the cohort in ascending order of their ids.
 */
import { compareBytes, sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { requireCohortSize, type Graph } from './graph.ts';
import { groupSizes, groupSizesFor, groupThreshold } from './group-sizes.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

const TAG = utf8('floe/groups/v1');
const INDEX_BYTES = 2;

const cut = <Item>(
  order: readonly Item[],
  sizes: readonly number[],
): readonly (readonly Item[])[] => {
  let from = 0;
  return sizes.map((length) => order.slice(from, (from += length)));
};

const requireGroup = (n: number, size: number): void => {
  if (n < size)
    throw new FloeError('cohort_too_small', `expected a group of ${size}, got ${n} members`);
};

const ticketOf = (beacon: Uint8Array, i: number): Uint8Array => {
  const index = new Uint8Array(INDEX_BYTES);
  new DataView(index.buffer).setUint16(0, i);
  return sha256(TAG, beacon, index);
};

/**
 * The groups, each in ascending order: the members in the order of SHA-256(tag || beacon || index),
 * cut into the sizes of {@link groupSizes}.
 *
 * @param beacon 32 bytes, drawn after the cohort was frozen
 * @throws FloeError `cohort_too_small` for fewer members than one group has; `cohort_too_large`
 */
export const drawGroups = (
  n: number,
  size: number,
  beacon: Uint8Array,
): readonly (readonly number[])[] => {
  requireCohortSize(n);
  requireBytes(beacon, HASH_BYTES, 'record_malformed', 'beacon');
  requireGroup(n, size);
  const order = Array.from({ length: n }, (_, i) => ({ i, ticket: ticketOf(beacon, i) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .map(({ i }) => i);
  return cut(order, groupSizes(n, size)).map((group) => group.toSorted((a, b) => a - b));
};

const KEY_TAG = utf8('floe/groups-of-keys/v1');

/**
 * The groups of a set of keys, each ascending: the keys in the order of SHA-256(tag || seed ||
 * key), cut into the sizes of {@link groupSizesFor}. Whole groups that are drawn from again by the
 * same seed come out as they are: their order is kept, and so are their sizes, of which the larger
 * ones come first.
 *
 * @param keys 32 bytes each, any number of them
 * @param seed 32 bytes, fixed before its keys can answer
 * @param most members of a cohort, where only some of the groups are invited to one: keys beyond
 *   the last whole group are in none then
 * @throws FloeError `cohort_too_small` for fewer keys than one group has
 */
export const drawGroupsOfKeys = (
  keys: readonly Uint8Array[],
  size: number,
  seed: Uint8Array,
  most = keys.length,
): readonly (readonly Uint8Array[])[] => {
  requireBytes(seed, HASH_BYTES, 'record_malformed', 'seed of the groups');
  requireGroup(keys.length, size);
  const order = keys
    .map((key) => ({ key, ticket: sha256(KEY_TAG, seed, key) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .map(({ key }) => key);
  return cut(order, groupSizesFor(keys.length, size, most)).map((group) =>
    group.toSorted(compareBytes),
  );
};

/**
 * All members of a group are neighbours.
 *
 * @param groups that no two share a member of
 * @param thresholds t of each; that of its size unless given
 */
export const groupedGraph = (
  groups: readonly (readonly number[])[],
  thresholds: readonly number[] = groups.map((group) => groupThreshold(group.length)),
): Graph => {
  const placeOf = (i: number): number => groups.findIndex((group) => group.includes(i));
  return {
    neighbours: (_n, i) => (groups[placeOf(i)] ?? []).filter((j) => j !== i),
    threshold: (_n, i) => thresholds[placeOf(i)] ?? 1,
  };
};
