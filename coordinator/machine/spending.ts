/**
 * @module Invitations on a model that was used before: the coordinator's side of "one update is
 * spent once" (secure aggregation, section 2.0; rules in `protocol/rules/one-set.ts`). Participants
 * decide; this file avoids attempts that they must refuse. It plans by the policy `strict`, which
 * every other policy allows too.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { groupSizeOf, leastCohort, leastSummed } from '../../protocol/robust/groups.ts';
import { namesOf, renouncing, setName } from '../../protocol/rules/one-set.ts';
import type { MachineConfig } from './config.ts';
import { answeringAgain, groupingNow, groupsTried } from './kept-groups.ts';
import { isMasked, survivorsOf, uploaders, type Hex, type Attempt, type State } from './state.ts';
import type { Tried } from './tried.ts';

/**
 * Whether the coordinator may know the sum of an attempt that ends now: members were asked, or
 * uploaded in the clear.
 */
export const mayBeKnown = (config: MachineConfig, { phase }: State, attempt: Attempt): boolean =>
  isMasked(config)
    ? phase.type === 'unmask' || phase.type === 'finishing'
    : attempt.uploads.size > 0;

/** The part of an attempt that matters for the next ones: all fields except its number. */
const meaningOf = ({
  members,
  threshold,
  uploaded,
  survivors,
  answered,
  grouping,
}: Tried): string =>
  JSON.stringify([members, threshold, uploaded, survivors, answered, grouping?.attempt]);

/**
 * The attempts on this model, with the one that ends now. Of those that mean the same the latest is
 * enough, so that the list does not grow with the rounds of a model that has stopped moving.
 */
export const triedNow = (
  config: MachineConfig,
  { tried }: State,
  attempt: Attempt,
): State['tried'] => {
  if (!isMasked(config) || attempt.sharers === undefined) return tried;
  const grouping = groupingNow(config, attempt);
  const now: Tried = {
    attempt: attempt.attempt,
    members: attempt.members,
    threshold: attempt.cohort?.body.threshold ?? 0,
    uploaded: uploaders(attempt),
    survivors: survivorsOf(attempt),
    answered: [...attempt.unmasks.keys()].toSorted(),
    ...(grouping === undefined ? {} : { grouping }),
  };
  return [...tried.filter((each) => meaningOf(each) !== meaningOf(now)), now];
};

/**
 * The participants that can be invited, or the reason why none can and the condition that would
 * resume the run.
 */
export type Plan =
  | { readonly type: 'invite'; readonly keys: readonly Hex[] }
  | { readonly type: 'wait'; readonly reason: string };

const address = (key: Hex): string => addressOf(fromHex(key));

const short = (keys: readonly Hex[]): string => {
  const shown = keys.slice(0, 5).map(address).join(', ');
  return keys.length > 5 ? `${shown} and ${keys.length - 5} more` : shown;
};

/**
 * Whether everyone in `group` that uploaded before sees its earlier attempts renounced by enough of
 * their members.
 */
const renounced = (config: MachineConfig, state: State, group: ReadonlySet<Hex>): boolean =>
  state.tried
    .flatMap((tried) => groupsTried(config, tried))
    .every(({ members, threshold, uploaded, answered }) => {
      const done = new Set(answered);
      if (!uploaded.some((key) => group.has(key) && !done.has(key))) return true;
      const here = members.filter((key) => group.has(key)).length;
      return here >= renouncing(members.length, threshold, leastSummed(config.spec));
    });

/**
 * The plan for the next attempt, in order of preference: members that have answered nothing on this
 * model; members that have not uploaded either; exactly the set that was answered for. Otherwise
 * the run waits.
 * @param present present participants that are not excluded
 * @param most maximum number of invitations
 */
export const planInvitation = (
  config: MachineConfig,
  state: State,
  present: readonly Hex[],
  most: number,
): Plan => {
  const minimum = leastCohort(config.spec);
  if (state.tried.length === 0 && state.sitting.size === 0)
    return { type: 'invite', keys: present };
  const answered = new Set([...state.tried.flatMap((at) => at.answered), ...state.sitting]);
  const fresh = present.filter((key) => !answered.has(key));
  const touched = new Set(state.tried.flatMap(({ uploaded }) => uploaded));
  const untouched = fresh.filter((key) => !touched.has(key));
  // A draw among more could leave out too many of an earlier cohort.
  if (fresh.length >= minimum && fresh.length <= most && renounced(config, state, new Set(fresh)))
    return { type: 'invite', keys: fresh };
  if (untouched.length >= minimum) return { type: 'invite', keys: untouched };
  const old = fresh.filter((key) => touched.has(key)).slice(0, most);
  if (old.length >= minimum && renounced(config, state, new Set(old)))
    return { type: 'invite', keys: old };
  const here = new Set(present);
  const leastKept = leastCohort(config.spec, true);
  const sets = state.tried
    .filter((at) => at.answered.length > 0)
    // Members that have answered for a set exclude only members with proof against them.
    .map((at) =>
      at.grouping === undefined
        ? at.survivors.filter((key) => !state.proven.has(key))
        : answeringAgain(config, state, at, here),
    )
    .filter((set) => set.length >= leastKept);
  const whole = sets.find(
    (set) => set.every((key) => here.has(key)) && renounced(config, state, new Set(set)),
  );
  if (whole !== undefined) return { type: 'invite', keys: whole };
  // Fewer than the minimum are present, whatever was answered before.
  if (present.length < minimum) return { type: 'invite', keys: present };
  const ways = [
    ...sets.map((set) => set.filter((key) => !here.has(key))),
    ...state.tried
      .filter((at) => at.answered.length === 0)
      .map(({ members }) => members.filter((key) => !here.has(key))),
  ].filter((missing) => missing.length > 0 && !missing.some((key) => state.excluded.has(key)));
  const join = minimum - untouched.length;
  return {
    type: 'wait',
    reason:
      `${present.length - fresh.length} of ${present.length} members that are here have answered on this model, ` +
      `and updates of the others may be in its sums: resumes when ${join} that have not uploaded on it join` +
      ways.map((missing) => `, or when these are back: ${short(missing)}`).join(''),
  };
};

/** Names of the sets that a sum over all of these repeats. */
const namesOfWhole = (
  all: readonly Hex[],
  proven: ReadonlySet<Hex>,
  tried: State['tried'],
): ReadonlySet<string> => {
  const names = new Set(namesOf(all.map(address), new Set([...proven].map(address))));
  const own = setName(all.map(address));
  for (const { survivors } of tried) {
    const honest = survivors.filter((key) => !proven.has(key));
    if (setName(honest.map(address)) === own) names.add(setName(survivors.map(address)));
  }
  return names;
};

/** Names of the sets of earlier groups, of which all are here that were not proven to have lied. */
const namesOfGroups = (
  config: MachineConfig,
  all: readonly Hex[],
  proven: ReadonlySet<Hex>,
  tried: State['tried'],
): ReadonlySet<string> => {
  const here = new Set(all);
  const sets = tried
    .flatMap((one) => groupsTried(config, one))
    .map(({ survivors }) => survivors)
    .filter((set) => set.every((key) => here.has(key) || proven.has(key)));
  return new Set(sets.map((set) => setName(set.map(address))));
};

/**
 * The members of the cohort among those that registered. If their statements do not all name this
 * set, or this set plus members proven to have lied, those that have already answered are excluded:
 * a false statement must not be able to spoil an attempt.
 */
export const fitting = (
  config: MachineConfig,
  { proven, tried }: State,
  attempt: Attempt,
): { readonly members: Hex[]; readonly spent: Hex[] } => {
  const all = [...attempt.registers.keys()].toSorted();
  const stated = all.filter((key) => attempt.registers.get(key)?.body.answered !== undefined);
  if (stated.length === 0) return { members: all, spent: [] };
  const names =
    groupSizeOf(config.spec) === undefined
      ? namesOfWhole(all, proven, tried)
      : namesOfGroups(config, all, proven, tried);
  const same = stated.every((key) =>
    (attempt.registers.get(key)?.body.answered ?? []).every((hash) => names.has(toHex(hash))),
  );
  if (same) return { members: all, spent: [] };
  return { members: all.filter((key) => !stated.includes(key)), spent: stated };
};
