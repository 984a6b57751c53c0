/**
 * @module The time between attempts: when the next attempt opens, and which participants it
 * invites. A participant that logs in later waits for the next round.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { leastCohort } from '../../protocol/robust/groups.ts';
import { isBudgetSpent } from '../../protocol/rules/budget.ts';
import { carriersLeft, isBeyondBudget, isCorrelated } from '../../protocol/rules/noise-streams.ts';
import { MAX_ATTEMPTS, MAX_READERS, WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { endRun } from './abort-causes.ts';
import { isBuffered, NO_DEADLINE, sayFilling, sendAhead } from './buffer.ts';
import { holdLottery, knownOf, planned, wholeBatches } from './draw.ts';
import { append, publish, send, startWork, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { keptGrouping } from './kept-groups.ts';
import { enter } from './phases.ts';
import { withoutStrangers } from './places.ts';
import { eligible, emptyAttempt, type Attempt, type Hex, type State } from './state.ts';

/** Whether too few are here whose noise may be in every sum so far. */
const awaitsStreams = (
  { spec }: MachineConfig,
  { history }: State,
  here: readonly Hex[],
): boolean => {
  if (!isCorrelated(spec)) return false;
  const carriers = carriersLeft(spec, history);
  return here.filter((key) => carriers.has(key)).length < spec.cohort.minimum;
};

/** Reports once why no attempt can be opened, and resets the report when one can. */
export const sayWhy = (config: MachineConfig, state: State): Step | undefined => {
  const { phase } = state;
  // Before the first attempt, every participant can be invited.
  if (phase.type !== 'waiting' || state.attempt === 0) return undefined;
  const plan = planned(config, state);
  const reason =
    plan.type === 'wait'
      ? plan.reason
      : awaitsStreams(config, state, plan.keys)
        ? `correlated noise needs at least ${config.spec.cohort.minimum} members that were in every sum so far; the run continues when they are here`
        : undefined;
  if (reason === phase.reason) return undefined;
  const { reason: _, ...bare } = phase;
  return reason === undefined
    ? { state: { ...state, phase: bare }, effects: [] }
    : {
        state: { ...state, phase: { ...bare, reason } },
        effects: [publish({ type: 'waiting', reason })],
      };
};

/** How many open an attempt at once. Of a closed run no more can come than it has members. */
const enoughFor = ({ spec }: MachineConfig, { startWith }: State): number => {
  const most = spec.members.type === 'closed' ? spec.members.keys.length : Infinity;
  return Math.max(Math.min(startWith, most), leastCohort(spec));
};

/**
 * When the next attempt opens in this state. After the pause it opens immediately with `startWith`
 * participants. With fewer, but at least the minimum cohort, it opens after the grace time; the
 * first round instead waits for all of `startWith`. After a restart, newcomers do not count towards
 * the number until the earlier participants have had time to reconnect.
 */
export const opensAt = (config: MachineConfig, state: State): number => {
  const { spec } = config;
  const { phase } = state;
  const enough = enoughFor(config, state);
  // The first attempt waits for `startWith` participants. Until then the check returns early,
  // because its cost at each login would grow with the number of participants.
  if (state.attempt === 0 && state.participants.size < enough) return Infinity;
  const plan = planned(config, state);
  if (plan.type === 'wait') return Infinity;
  const here = plan.keys;
  const count = here.length;
  if (phase.type !== 'waiting' || state.model === undefined) return Infinity;
  if (awaitsStreams(config, state, here)) return Infinity;
  if (spec.selection === 'batches' && wholeBatches(config, here).length === 0) return Infinity;
  if (knownOf(config, state, here).length >= enough) return phase.until;
  if (count >= enough) return Math.max(phase.until, state.patience);
  const isKept = keptGrouping(config, state, { members: here }) !== undefined;
  if (count < leastCohort(spec, isKept) || state.attempt === 0) return Infinity;
  return Math.max(phase.until, state.patience, phase.since + spec.deadlines.grace * 1000);
};

/**
 * Whether the next round would overspend: too few are left with privacy budget, of the members of a
 * closed run, or of those that are here.
 */
export const isOverBudget = ({ spec }: MachineConfig, state: State): boolean => {
  if (isBeyondBudget(spec, state.attempt + 1)) return true;
  if (spec.privacy === undefined || state.history.released.size === 0) return false;
  const { minimum } = spec.cohort;
  const possible =
    spec.members.type === 'closed'
      ? spec.members.keys.map(toHex).filter((key) => !state.excluded.has(key))
      : eligible(state);
  const left = possible.filter((key) => !isBudgetSpent(spec, state.history, key));
  return possible.length >= minimum && left.length < minimum;
};

/** Makes all present participants eligible for the draw by R, which is not known yet. */
export const withDrawn = (state: State): State => ({ ...state, drawn: new Set(eligible(state)) });

export const wrapModel = ({ model, evidence }: State, attempt: Attempt): Work | undefined =>
  model === undefined
    ? undefined
    : {
        type: 'wrap-model',
        attempt: attempt.attempt,
        model,
        commit: evidence?.commit,
        readers: attempt.invited.slice(0, MAX_READERS),
      };

/** Begins an attempt: the host wraps the model's key for the invited first. */
export const openAttempt = (config: MachineConfig, state: State, now: number): Step => {
  const number = state.attempt + 1;
  if (number > MAX_ATTEMPTS) return endRun(state, now, 'attempts_exhausted');
  // R_0 is not public before the first Open record.
  const current = state.attempt === 0 ? withDrawn(state) : state;
  const lottery = holdLottery(config, current);
  // `opensAt` has checked that somebody can be invited.
  if (lottery.type === 'wait') return { state, effects: [] };
  const { invited, draw, isGroup = false } = lottery;
  const attempt: Attempt = {
    ...emptyAttempt(number, invited),
    isGroup,
    ...(draw === undefined ? {} : { draw }),
  };
  const entered = enter(
    { ...current, attempt: number },
    { type: 'opening', since: now, deadline: now + WORK_LIMIT_MS, attempt },
  );
  const work = wrapModel(entered.state, attempt);
  return {
    state: withoutStrangers(entered.state),
    effects: [...entered.effects, ...(work === undefined ? [] : [startWork(work)])],
  };
};

/** Of an adaptive run: the clip norm of the last commit, or that of the specification. */
const clipNormOf = (
  { spec: { encoding } }: MachineConfig,
  { clipNorm = encoding.clipNorm }: State,
): { readonly clipNorm?: number } => (encoding.clipping === undefined ? {} : { clipNorm });

export const applyOpened = (
  config: MachineConfig,
  state: State,
  event: EventOf<'opened'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'opening') return { state, effects: [] };
  const { attempt } = phase;
  const open = config.sign('open', attempt.attempt, {
    model: event.model,
    beacon: state.beacon,
    meanExamples: state.meanExamples,
    ...clipNormOf(config, state),
    committed: state.committed,
    key: event.key,
    invited: attempt.invited.map(fromHex),
    ...(attempt.draw === undefined ? {} : { draw: attempt.draw }),
    ...(event.bundle === undefined || state.evidence === undefined
      ? {}
      : { bundle: { commit: state.evidence.commit.hash, envelope: event.bundle } }),
  });
  const entered = enter(state, {
    type: 'register',
    since: event.time,
    deadline: isBuffered(config) ? NO_DEADLINE : event.time + config.spec.deadlines.register * 1000,
    attempt: { ...attempt, open },
  });
  return {
    state: entered.state,
    effects: [
      append(open),
      publish({
        type: 'attempt-opened',
        attempt: attempt.attempt,
        version: state.committed + 1,
        invited: attempt.invited.length,
      }),
      ...entered.effects,
      send(attempt.invited, { type: 'record', record: open.bytes }),
      ...sendAhead(config, state, attempt.invited),
      ...sayFilling(config, entered.state),
    ],
  };
};
