/**
 * @module The groups of a repeated attempt, on the coordinator's side: they are those of the
 * earlier attempt on the model, since members answer for one group alone (secure aggregation,
 * section 2.0). The rule is in `protocol/rules/groups.ts`.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { drawsInvited, groupSizeOf, leastSummed } from '../../protocol/robust/groups.ts';
import { groupingBefore } from '../../protocol/rules/group-draw.ts';
import {
  groupingOf,
  groupsDrawn,
  thresholdOfGroup,
  type Grouping,
} from '../../protocol/rules/groups.ts';
import type { MachineConfig } from './config.ts';
import type { Attempt, Hex, Opened, State } from './state.ts';
import type { KeptGrouping, Tried } from './tried.ts';

/** What the attempt's groups were drawn from; undefined in a run without groups. */
export const groupingNow = (
  { spec }: MachineConfig,
  { attempt, cohort }: Attempt,
): KeptGrouping | undefined => {
  if (groupSizeOf(spec) === undefined || cohort === undefined) return undefined;
  const { attempt: of, members, beacon } = groupingOf(attempt, cohort);
  return { attempt: of, members: members.map(toHex), beacon: toHex(beacon) };
};

/**
 * What the groups of a cohort on this model are taken from: those of the latest attempt in which
 * all its members were, and some of them may have been summed.
 */
export const keptGrouping = (
  { spec }: MachineConfig,
  { tried }: State,
  { members, draw }: Pick<Attempt, 'members' | 'draw'>,
): Grouping | undefined => {
  if (groupSizeOf(spec) === undefined) return undefined;
  // R draws the groups of every other attempt.
  if (drawsInvited(spec) && draw !== undefined && draw.again === undefined) return undefined;
  const here = new Set(members);
  const found = tried.findLast(({ grouping, uploaded }) => {
    const drawn = new Set(grouping?.members);
    return members.every((key) => drawn.has(key)) && uploaded.some((key) => here.has(key));
  })?.grouping;
  return (
    found && {
      attempt: found.attempt,
      members: found.members.map(fromHex),
      beacon: fromHex(found.beacon),
    }
  );
};

/**
 * What the groups of the attempt are drawn from, for its Cohort record; undefined where its cohort
 * and beacon are that.
 */
export const groupingFor = (
  config: MachineConfig,
  state: State,
  attempt: Opened,
): Grouping | undefined =>
  keptGrouping(config, state, attempt) ?? groupingBefore(config.spec, config.beacon, attempt.open);

/** A set of members that is summed alone, of an attempt that was tried. */
export interface TriedGroup {
  readonly members: readonly Hex[];
  readonly threshold: number;
  readonly uploaded: readonly Hex[];
  readonly survivors: readonly Hex[];
  readonly answered: readonly Hex[];
}

/** The groups of an attempt that was tried: without groups the whole cohort. */
export const groupsTried = ({ spec }: MachineConfig, tried: Tried): readonly TriedGroup[] => {
  const size = groupSizeOf(spec);
  const { grouping, members, uploaded, survivors, answered } = tried;
  if (size === undefined || grouping === undefined) return [tried];
  const cohort = new Set(members);
  const groups = groupsDrawn(spec, {
    members: grouping.members.map(fromHex),
    beacon: fromHex(grouping.beacon),
  });
  return groups.map((group) => {
    const own = group.map(toHex).filter((key) => cohort.has(key));
    const has = (key: Hex): boolean => own.includes(key);
    return {
      members: own,
      threshold: thresholdOfGroup(spec, group.length, own.length),
      uploaded: uploaded.filter(has),
      survivors: survivors.filter(has),
      answered: answered.filter(has),
    };
  });
};

/**
 * Who can answer again for the groups of an attempt: each group that has answered with its whole
 * set, members proven to have lied aside; the others as far as they are here.
 *
 * @param here present participants that can be invited
 */
export const answeringAgain = (
  config: MachineConfig,
  { proven }: Pick<State, 'proven'>,
  tried: Tried,
  here: ReadonlySet<Hex>,
): readonly Hex[] =>
  groupsTried(config, tried).flatMap(({ survivors, answered, members }) => {
    const set = (answered.length > 0 ? survivors : members).filter((key) => !proven.has(key));
    const present = set.filter((key) => here.has(key));
    const isWhole = answered.length === 0 || present.length === set.length;
    return isWhole && present.length >= leastSummed(config.spec) ? present : [];
  });
