/**
 * @module A cohort in groups: the beacon permutes the members, who mask and share within their
 * group, so that the sum of each group can be opened alone (secure-aggregation, section 5; Bell et
 * al. 2020 for the seed that nobody chooses). The graph is the disjoint union of complete graphs.
 * Members are indices of the cohort in ascending order of their ids.
 */
import { compareBytes, sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { requireCohortSize, type Graph } from './graph.ts';
import { groupSizes, groupThreshold } from './group-sizes.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

const TAG = utf8('floe/groups/v1');
const INDEX_BYTES = 2;

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
  if (n < size)
    throw new FloeError('cohort_too_small', `expected a group of ${size}, got ${n} members`);
  const order = Array.from({ length: n }, (_, i) => ({ i, ticket: ticketOf(beacon, i) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .map(({ i }) => i);
  let from = 0;
  return groupSizes(n, size).map((length) =>
    order.slice(from, (from += length)).toSorted((a, b) => a - b),
  );
};

/** All members of a group are neighbours. @param groups that no two share a member of */
export const groupedGraph = (groups: readonly (readonly number[])[]): Graph => {
  const groupOf = (i: number): readonly number[] => groups.find((group) => group.includes(i)) ?? [];
  return {
    neighbours: (_n, i) => groupOf(i).filter((j) => j !== i),
    threshold: (_n, i) => groupThreshold(groupOf(i).length),
  };
};
