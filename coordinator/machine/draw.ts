/**
 * @module The draw on the coordinator's side: the eligible set, which is fixed with the survivors
 * before their answers make R known, and the members that R draws from it for the next attempt. The
 * rule is in `protocol/rules`. This file decides the parts that the rule leaves to the coordinator:
 * the participants that complete the cohort of a closed run, and the attempt that is repeated.
 * Secure aggregation, section 2.0.1.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { drawsInvited, leastCohort } from '../../protocol/robust/groups.ts';
import { MAX_ELIGIBLE } from '../../protocol/records/records.ts';
import { isBudgetSpent } from '../../protocol/rules/budget.ts';
import { everSummed, isLate, latestWith, mayRest } from '../../protocol/rules/history.ts';
import { batchesOf, drawnBy, mostInvited, type Draw } from '../../protocol/rules/selection.ts';
import { byTicket } from '../../protocol/rules/tickets.ts';
import { invitable } from './buffer.ts';
import type { MachineConfig } from './config.ts';
import { tooFewGroups } from './draws-ahead.ts';
import { isSpoiled, nextGroup, suspendedNow, untested } from './group-testing.ts';
import { planInvitation, type Plan } from './spending.ts';
import { eligible, type Hex, type State } from './state.ts';

/**
 * The members that the next attempt invites, with the fields of its Open record; or the reason why
 * there are none.
 */
export type Lottery =
  | {
      readonly type: 'invite';
      readonly invited: readonly Hex[];
      readonly draw?: Draw;
      /** They have answered for a larger set, and are asked for a group of it. */
      readonly isGroup?: boolean;
    }
  | { readonly type: 'wait'; readonly reason: string };

/**
 * The participants that the next R may draw, ascending: those that are present, and the cohort,
 * whose members may just have lost their connection. If there are too many, those that have been in
 * a cohort come first.
 */
export const eligibleSet = (state: State, cohort: readonly Hex[]): readonly Hex[] => {
  const first = new Set(cohort);
  const others = eligible(state).filter((key) => !first.has(key));
  const room = MAX_ELIGIBLE - first.size;
  if (others.length <= room) return [...first, ...others].toSorted();
  const at = { attempt: state.attempt, beacon: state.beacon };
  const ordered = byTicket(at, others, fromHex);
  const known = ordered.filter((key) => state.places.has(key));
  const unknown = ordered.filter((key) => !state.places.has(key));
  return [...first, ...[...known, ...unknown].slice(0, room)].toSorted();
};

/**
 * The participants that were silent and have finished no attempt since.
 * @param now silent in the attempt that ends
 */
export const silentAfter = (
  { silent }: State,
  { missed }: State['history'],
  now: Iterable<Hex>,
): State['silent'] => new Set([...silent, ...now].filter((key) => missed.has(key)));

/**
 * Number of consecutive missed attempts after which the reason, silence or absence, no longer
 * matters: the participant is expected to drop out.
 */
const DROPS = 2;

/**
 * The participants that the next attempt leaves out, because they were recently silent, or because
 * they register and drop out; none if too few would be left.
 */
const resting = (
  { spec }: MachineConfig,
  { history, silent, attempt }: State,
  keys: readonly Hex[],
): ((key: Hex) => boolean) => {
  const rests = (key: Hex): boolean =>
    (silent.has(key) || (history.missed.get(key)?.misses ?? 0) >= DROPS) &&
    mayRest(history, key, attempt + 1);
  const left = keys.filter((key) => !rests(key)).length;
  return left >= leastCohort(spec) && spec.selection === 'draw' ? rests : () => false;
};

/** Whether R draws from a set that was signed: from the first commit on. */
const isDrawn = ({ history }: State): boolean => history.lastSurvivors !== undefined;

/** Whether only members of the signed set can be in a cohort: groups are drawn from it alone. */
const drawsSigned = (spec: MachineConfig['spec']): boolean =>
  spec.members.type === 'open' || drawsInvited(spec);

/**
 * The participants that can be in the next cohort: those that are present, or see `invitable`. In
 * an open run these are members of the eligible set; a closed run lists its keys in the
 * specification.
 */
const pool = (config: MachineConfig, state: State): readonly Hex[] => {
  const { spec } = config;
  const here = invitable(config, state).filter(
    (key) => !suspendedNow(state, key) && !isBudgetSpent(spec, state.history, key),
  );
  return isDrawn(state) && drawsSigned(spec) ? here.filter((key) => state.drawn.has(key)) : here;
};

const listed = (keys: readonly Hex[]): string =>
  keys
    .slice(0, 5)
    .map((key) => addressOf(fromHex(key)))
    .join(', ') + (keys.length > 5 ? ` and ${keys.length - 5} more` : '');

/** The present participants that can be invited on this model, see spending.ts. */
const planOf = (config: MachineConfig, state: State): Plan => {
  const keys = pool(config, state);
  const minimum = leastCohort(config.spec);
  const newcomers = eligible(state).length - keys.length;
  if (keys.length < minimum && newcomers > 0) {
    const gone = [...state.drawn].filter((key) => !keys.includes(key) && !state.excluded.has(key));
    return {
      type: 'wait',
      reason:
        `${newcomers} that are here came after the set was signed that the next cohort is drawn from, and take part from the ` +
        `next commit on: resumes when ${minimum - keys.length} of these are back: ${listed(gone)}; or begin a new run from ` +
        `the last model (floe fork)`,
    };
  }
  return planInvitation(config, state, keys, mostInvited(config.spec));
};

/**
 * Those of the given participants that were present before R was known, when no set was signed: R_0
 * is public from the first Open record.
 */
export const knownOf = (
  { spec }: MachineConfig,
  state: State,
  keys: readonly Hex[],
): readonly Hex[] =>
  isDrawn(state) || spec.members.type === 'closed' || state.attempt === 0
    ? keys
    : keys.filter((key) => state.drawn.has(key));

/** The batches whose members are all among these, ascending by key each; none without batches. */
export const wholeBatches = ({ spec }: MachineConfig, keys: readonly Hex[]): readonly Hex[][] => {
  const here = new Set(keys);
  return batchesOf(spec)
    .map((batch) => batch.map(toHex))
    .filter((batch) => batch.every((key) => here.has(key)));
};

/** Sorted by ticket within each rank, the lowest rank first. */
const ranked = <Item>(
  state: State,
  items: readonly Item[],
  keyOf: (item: Item) => Hex,
  rankOf: (item: Item) => number,
): readonly Item[] => {
  const at = { attempt: state.attempt + 1, beacon: state.beacon };
  return byTicket(at, items, (item) => fromHex(keyOf(item))).toSorted(
    (a, b) => rankOf(a) - rankOf(b),
  );
};

/**
 * No set is signed before the first commit. Participants that were present before R_0 was public
 * therefore come first, and late ones last.
 */
const firstDraw = (config: MachineConfig, state: State, keys: readonly Hex[]): readonly Hex[] => {
  const attempt = state.attempt + 1;
  const late = (key: Hex): boolean => isLate(state.history, key, attempt);
  if (config.spec.selection === 'batches')
    return ranked(
      state,
      wholeBatches(config, keys),
      ([key]) => key ?? '',
      (batch) => (batch.some(late) ? 1 : 0),
    )
      .slice(0, 1)
      .flat();
  const known = new Set(knownOf(config, state, keys));
  const rests = resting(config, state, keys);
  const later = untested(config, state, keys);
  const summed = everSummed(state.history);
  // A repeated attempt takes all members that were planned for it.
  const isRepeated = keys.some((key) => summed.has(key));
  return ranked(
    state,
    keys.filter((key) => isRepeated || (!rests(key) && !later.has(key))),
    (key) => key,
    (key) => (late(key) ? 2 : 0) + (known.has(key) ? 0 : 1),
  )
    .slice(0, mostInvited(config.spec))
    .toSorted();
};

/** The lists of the Open record. @param out whether an eligible participant is left out */
const listsOf = (state: State, out: (key: Hex) => boolean): Draw => {
  const keys = [...state.drawn].toSorted();
  const attempt = state.attempt + 1;
  return {
    eligible: keys.map(fromHex),
    late: keys.filter((key) => !out(key) && isLate(state.history, key, attempt)).map(fromHex),
    out: keys.filter(out).map(fromHex),
  };
};

/** @param keys who can be invited @param out who of the eligible set cannot */
const drawFrom = (
  config: MachineConfig,
  state: State,
  keys: readonly Hex[],
  out: (key: Hex) => boolean,
): Lottery => {
  const { spec } = config;
  const attempt = state.attempt + 1;
  const draw = listsOf(state, out);
  const { must, late, places } = drawnBy(spec, { attempt, beacon: state.beacon }, draw);
  const drawn = must.map(toHex);
  if (drawsSigned(spec))
    return { type: 'invite', invited: [...drawn, ...late.map(toHex)].toSorted(), draw };
  const missed = (key: Hex): boolean => isLate(state.history, key, attempt);
  if (spec.selection === 'batches') {
    const batches = ranked(
      state,
      wholeBatches(config, keys),
      ([key]) => key ?? '',
      (batch) => (batch.some(missed) ? 1 : 0),
    );
    return { type: 'invite', invited: drawn.length > 0 ? drawn : (batches[0] ?? []), draw };
  }
  const taken = new Set(drawn);
  const others = ranked(
    state,
    keys.filter((key) => !taken.has(key) && !out(key)),
    (key) => key,
    (key) => (missed(key) ? 1 : 0),
  );
  return { type: 'invite', invited: [...drawn, ...others.slice(0, places)].toSorted(), draw };
};

/** Repeats an attempt on this model with those of its sharers that can answer again. */
const repeat = (
  config: MachineConfig,
  state: State,
  keys: readonly Hex[],
  out: (key: Hex) => boolean,
): Lottery | undefined => {
  const minimum = leastCohort(config.spec, true);
  for (const { attempt, uploaded } of state.tried.toReversed()) {
    const sharers = new Set(uploaded);
    const group = keys.filter((key) => sharers.has(key));
    const plan = planInvitation(config, state, group, mostInvited(config.spec));
    if (plan.type !== 'invite' || plan.keys.length < minimum) continue;
    const invited = plan.keys.toSorted().slice(0, mostInvited(config.spec));
    const again = latestWith(state.history, invited) ?? attempt;
    return { type: 'invite', invited, draw: { ...listsOf(state, out), again } };
  }
  return undefined;
};

const lotteryOf = (config: MachineConfig, state: State, keys: readonly Hex[]): Lottery => {
  if (!isDrawn(state)) return { type: 'invite', invited: firstDraw(config, state, keys) };
  const minimum = leastCohort(config.spec);
  const summed = everSummed(state.history);
  const rests = resting(config, state, keys);
  const later = untested(config, state, keys);
  const untouched = keys.filter((key) => !summed.has(key));
  const spent = (key: Hex): boolean =>
    state.excluded.has(key) ||
    summed.has(key) ||
    suspendedNow(state, key) ||
    isBudgetSpent(config.spec, state.history, key) ||
    later.has(key) ||
    rests(key);
  if (untouched.length === keys.length) return drawFrom(config, state, keys, spent);
  const here = new Set(keys);
  const others = (key: Hex): boolean => spent(key) && !here.has(key);
  const candidates = [...state.drawn].filter((key) => !others(key)).length;
  const isMixed = untouched.length > 0 && config.spec.selection === 'draw';
  // A draw among more could leave out too many of an earlier cohort.
  if (isMixed && candidates <= mostInvited(config.spec))
    return drawFrom(config, state, keys, others);
  const repeated = repeat(config, state, keys, others);
  if (repeated !== undefined) return repeated;
  if (untouched.length >= minimum) return drawFrom(config, state, untouched, spent);
  return {
    type: 'wait',
    reason: `those who are here were in different attempts on this model: resumes when ${minimum - untouched.length} that have not uploaded on it join`,
  };
};

/**
 * Why none of the next draws can put enough of those who are here into whole groups; undefined
 * where one can.
 */
const groupsFault = (
  { spec }: MachineConfig,
  state: State,
  keys: readonly Hex[],
): string | undefined => {
  if (!isDrawn(state)) return undefined;
  const summed = everSummed(state.history);
  // A repeated attempt has its groups.
  if (keys.some((key) => summed.has(key))) return undefined;
  const needed = tooFewGroups(spec, state, keys);
  if (needed === undefined) return undefined;
  const here = new Set(keys);
  const missing = [...state.drawn].filter((key) => !here.has(key));
  const isSpent = (key: Hex): boolean => isBudgetSpent(spec, state.history, key);
  const spent = missing.filter(isSpent).length;
  const gone = missing.filter((key) => !isSpent(key));
  return (
    `the groups are drawn from the ${state.drawn.size} that were here at the last commit, and too many of them are ` +
    `missing for ${needed} whole groups: ` +
    (spent === 0 ? '' : `${spent} have no privacy budget left; `) +
    (gone.length === 0 ? '' : `resumes when these are back: ${listed(gone)}; or `) +
    `begin a new run from the last model (floe fork)`
  );
};

/** Whether only members of a spoiled sum can be invited: the same sum would be invalid again. */
const isInVain = (state: State, plan: Plan): boolean => {
  const summed = everSummed(state.history);
  return isSpoiled(state) && (plan.type === 'wait' || plan.keys.every((key) => summed.has(key)));
};

/** The next group, where members answer for one; else the run waits. */
const groupPlan = (config: MachineConfig, state: State, plan: Plan): Plan => {
  const group = config.regroups ? nextGroup(config, state, pool(config, state)) : undefined;
  if (group !== undefined) return { type: 'invite', keys: group.keys };
  const minimum = leastCohort(config.spec);
  const why = config.regroups
    ? 'no group of them is left that could answer'
    : 'all of them have answered, and no smaller group of them answers without a public ledger or the consent of each';
  return {
    type: 'wait',
    reason:
      `the sums of these members cannot be right, one of them spoils every one, and ${why}: ` +
      `resumes when ${minimum} that have not uploaded on this model join` +
      (plan.type === 'wait' ? ` (${plan.reason})` : ''),
  };
};

/**
 * The present participants that can be invited, or the reason why none can and the condition that
 * would resume the run.
 */
export const planned = (config: MachineConfig, state: State): Plan => {
  const plan = planOf(config, state);
  if (isInVain(state, plan)) return groupPlan(config, state, plan);
  if (plan.type === 'wait') return plan;
  const fault = groupsFault(config, state, plan.keys);
  if (fault !== undefined) return { type: 'wait', reason: fault };
  // Without earlier attempts on the model every plan can be drawn.
  if (state.tried.length === 0) return plan;
  const lottery = lotteryOf(config, state, plan.keys);
  return lottery.type === 'wait' ? lottery : plan;
};

/** Draws the members that the next attempt invites. */
export const holdLottery = (config: MachineConfig, state: State): Lottery => {
  const plan = planned(config, state);
  if (plan.type === 'wait') return plan;
  if (!isInVain(state, planOf(config, state))) return lotteryOf(config, state, plan.keys);
  const group = nextGroup(config, state, pool(config, state));
  const invited = plan.keys.toSorted();
  if (group === undefined || !isDrawn(state)) return { type: 'invite', invited, isGroup: true };
  const again = latestWith(state.history, invited) ?? group.of;
  const draw = { ...listsOf(state, (key) => state.excluded.has(key)), again };
  return { type: 'invite', invited, draw, isGroup: true };
};
