/**
 * @module The groups of a cohort, of a masked run with a robust rule: each is summed and opened
 * alone, so each has a quorum of its own. A group with too few sharers or survivors is left out as
 * a whole, and nothing of it is opened; the attempt continues while the rule has groups enough. Any
 * other cohort is one group. Source: specification of secure aggregation, sections 2 and 5.
 */
import { sha256, toHex, utf8 } from '../bytes.ts';
import { drawsInvited, groupSizeOf, leastOfGroup, neededGroups } from '../robust/groups.ts';
import type { Body } from '../records/records.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import {
  drawGroups,
  drawGroupsOfKeys,
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
  /** t of its size, or of the size that it was drawn with; 0 without masks. */
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
export const graphOf = (frozen: FrozenCohort): Graph | undefined => {
  if (groupSizeOf(frozen.spec) === undefined) return undefined;
  const places = new Map(frozen.cohort.body.members.map((key, i) => [toHex(key), i]));
  const groups = groupsOf(frozen);
  return groupedGraph(
    groups.map(({ members }) => members.map((key) => places.get(toHex(key))!)),
    groups.map((group) => group.threshold),
  );
};

/** The groups that a run draws from these, each ascending. */
export const groupsDrawn = (
  spec: RunSpec,
  { members, beacon }: Pick<Grouping, 'members' | 'beacon'>,
): readonly Keys[] => {
  const size = groupSizeOf(spec) ?? members.length;
  return drawsInvited(spec)
    ? drawGroupsOfKeys(members, size, beacon)
    : drawGroups(members.length, size, beacon).map((group) => group.map((i) => members[i]!));
};

/**
 * t of a group. Where groups are drawn before anybody registers, refused registrations do not lower
 * it; a group with fewer members than that is never summed.
 *
 * @param drawn members that it was drawn with @param left members in the cohort
 */
export const thresholdOfGroup = (spec: RunSpec, drawn: number, left: number): number =>
  drawsInvited(spec) ? Math.max(1, Math.min(left, groupThreshold(drawn))) : groupThreshold(left);

const groupsKnown = new WeakMap<CohortRecord, readonly CohortGroup[]>();

const drawn = (frozen: FrozenCohort): readonly CohortGroup[] => {
  const { spec, cohort } = frozen;
  const { members } = cohort.body;
  if (groupSizeOf(spec) === undefined) {
    const t = spec.secagg === 'masked' ? threshold(members.length) : 0;
    const least = Math.max(spec.cohort.minimum, t);
    return [{ index: 0, members, keys: new Set(members.map(toHex)), threshold: t, least }];
  }
  const here = new Set(members.map(toHex));
  return groupsDrawn(spec, groupingOf(0, cohort)).map((group, index) => {
    // A group of which nobody is left is empty.
    const own = group.filter((key) => here.has(toHex(key)));
    const least = leastOfGroup(spec, drawsInvited(spec) ? group.length : own.length);
    const t = thresholdOfGroup(spec, group.length, own.length);
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
