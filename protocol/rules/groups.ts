/**
 * @module The groups of a cohort, of a masked run with a robust rule: each is summed and opened
 * alone, so each has a quorum of its own. A group with too few sharers or survivors is left out as
 * a whole, and nothing of it is opened; the attempt continues while the rule has groups enough. Any
 * other cohort is one group. Source: specification of secure aggregation, sections 2 and 5.
 */
import { sha256, toHex, utf8 } from '../bytes.ts';
import { groupSizeOf, leastSummed, neededGroups } from '../robust/groups.ts';
import type { Body } from '../records/records.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import {
  drawGroups,
  groupedGraph,
  groupThreshold,
  threshold,
  topologyOf as edgesOf,
  type Graph,
  type Topology,
} from '../secagg/index.ts';

type Keys = readonly Uint8Array[];

/** A cohort, and what its run agreed on. */
export interface FrozenCohort {
  readonly spec: RunSpec;
  readonly cohort: CohortRecord;
}

interface CohortRecord {
  readonly body: Pick<Body<'cohort'>, 'members' | 'beacon' | 'groups'>;
}

/** What groups were drawn from: a cohort and its beacon. */
export type Grouping = NonNullable<Body<'cohort'>['groups']>;

/** The name of a grouping: who was permuted, and by which beacon. 64 hex digits. */
export const groupingName = ({ members, beacon }: Pick<Grouping, 'members' | 'beacon'>): string =>
  toHex(sha256(utf8('floe/grouping/v1'), beacon, ...members));

/**
 * What the groups of a cohort were drawn from: the cohort of an earlier attempt on the model where
 * it repeats that one, else itself. A repeated attempt keeps its groups: two groupings of the same
 * updates give differences.
 */
export const groupingOf = (
  attempt: number,
  { body: { members, beacon, groups } }: CohortRecord,
): Grouping => groups ?? { attempt, members, beacon };

export interface CohortGroup {
  /** Its place among the groups of the cohort. */
  readonly index: number;
  /** Ascending. */
  readonly members: Keys;
  readonly keys: ReadonlySet<string>;
  /** t of its size; 0 without masks. */
  readonly threshold: number;
  /** Fewest sharers and survivors whose sum may be opened. */
  readonly least: number;
}

const topologies = new WeakMap<CohortRecord, Topology>();

/** Masking neighbours in a cohort. @throws FloeError `cohort_too_small`, `cohort_too_large` */
export const topologyOf = (frozen: FrozenCohort): Topology => {
  const { cohort } = frozen;
  const { members, beacon } = cohort.body;
  const known = topologies.get(cohort) ?? edgesOf(members.length, beacon, graphOf(frozen));
  topologies.set(cohort, known);
  return known;
};

/** Who masks with whom; undefined for all with all. */
export const graphOf = (frozen: FrozenCohort): Graph | undefined =>
  groupSizeOf(frozen.spec) === undefined ? undefined : groupedGraph(indicesOf(frozen));

/** By group, the places of its members in the cohort. A group of which nobody is left is empty. */
const indicesOf = ({ spec, cohort }: FrozenCohort): readonly (readonly number[])[] => {
  const { members } = cohort.body;
  const drawnFrom = groupingOf(0, cohort);
  const size = groupSizeOf(spec) ?? members.length;
  const places = new Map(members.map((key, i) => [toHex(key), i]));
  return drawGroups(drawnFrom.members.length, size, drawnFrom.beacon).map((group) =>
    group.flatMap((i) => places.get(toHex(drawnFrom.members[i]!)) ?? []),
  );
};

const groupsKnown = new WeakMap<CohortRecord, readonly CohortGroup[]>();

const drawn = (frozen: FrozenCohort): readonly CohortGroup[] => {
  const { spec, cohort } = frozen;
  const { members } = cohort.body;
  if (groupSizeOf(spec) === undefined) {
    const t = spec.secagg === 'masked' ? threshold(members.length) : 0;
    const least = Math.max(spec.cohort.minimum, t);
    return [{ index: 0, members, keys: new Set(members.map(toHex)), threshold: t, least }];
  }
  return indicesOf(frozen).map((group, index) => {
    const own = group.map((i) => members[i]!);
    const t = groupThreshold(own.length);
    const least = Math.max(leastSummed(spec), t);
    return { index, members: own, keys: new Set(own.map(toHex)), threshold: t, least };
  });
};

/** The groups of a cohort: one of all members, unless the run has a size of groups. */
export const groupsOf = (frozen: FrozenCohort): readonly CohortGroup[] => {
  const known = groupsKnown.get(frozen.cohort) ?? drawn(frozen);
  groupsKnown.set(frozen.cohort, known);
  return known;
};

/** The group of a member; undefined for a key that is not in the cohort. */
export const groupOf = (frozen: FrozenCohort, key: Uint8Array): CohortGroup | undefined => {
  const hex = toHex(key);
  return groupsOf(frozen).find(({ keys }) => keys.has(hex));
};

/** Those of a list that are in the group, in its order. */
export const inGroup = ({ keys }: CohortGroup, list: Keys): Keys =>
  list.filter((key) => keys.has(toHex(key)));

/** A group, and who of it is there. */
export interface PresentGroup {
  readonly group: CohortGroup;
  readonly present: Keys;
}

/** The groups of which enough are there for their sum to be opened. @param present of the cohort */
export const livingGroups = (frozen: FrozenCohort, present: Keys): readonly PresentGroup[] =>
  groupsOf(frozen)
    .map((group) => ({ group, present: inGroup(group, present) }))
    .filter((one) => one.present.length >= one.group.least);

/** t of a cohort, in groups that of the smallest; 0 without masks. */
export const thresholdOf = (frozen: FrozenCohort): number =>
  Math.min(...groupsOf(frozen).map((group) => group.threshold));

/**
 * Why the sums over those who are there may not be opened, or are too few for the rule; undefined
 * where they may.
 *
 * @param present sharers or survivors @param what they are, for the message
 */
export const quorumFault = (
  frozen: FrozenCohort,
  present: Keys,
  what: string,
): string | undefined => {
  const { robust, cohort } = frozen.spec;
  const living = livingGroups(frozen, present);
  const left = living.reduce((sum, one) => sum + one.present.length, 0);
  if (groupSizeOf(frozen.spec) === undefined || robust === undefined) {
    const least = groupsOf(frozen)[0]!.least;
    return living.length > 0
      ? undefined
      : `expected at least ${least} ${what}, got ${present.length}`;
  }
  const needed = neededGroups(robust);
  if (living.length < needed)
    return (
      `expected at least ${needed} groups with enough ${what}, got ${living.length} of ` +
      `${groupsOf(frozen).length}`
    );
  return left >= cohort.minimum
    ? undefined
    : `expected at least ${cohort.minimum} ${what} in whole groups, got ${left}`;
};
