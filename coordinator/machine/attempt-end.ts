/**
 * @module The end of an attempt: a commit, once the ledger holds the model, or an abort. After an
 * abort the next attempt opens with new keys, after a pause that grows with the number of failures
 * (see causes.ts).
 */
import { reportMetrics } from '../../protocol/algorithm/metrics.ts';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { afterAttempt, suspendedBy } from '../../protocol/rules/history.ts';
import type { Body } from '../../protocol/records/records.ts';
import { endRun, isHopeless, pauseAfter, reportedIn, streakAfter } from './abort-causes.ts';
import { stalenessOf } from './buffer.ts';
import type { MachineConfig } from './config.ts';
import { append, publish, send, startWork, type Effect, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { triedBefore, withModel } from './earlier-models.ts';
import { evidenceOf } from './evidence.ts';
import { silentAfter } from './draw.ts';
import { enter } from './phases.ts';
import { mayBeKnown, triedNow } from './spending.ts';
import {
  attemptOf,
  isMasked,
  silentNow,
  survivorsOf,
  type Committing,
  type Hex,
  type PhaseType,
  type Attempt,
  type State,
} from './state.ts';
import { viewOf } from './rules-view.ts';

export const finishWork = (attempt: Attempt): Work => ({
  type: 'finish',
  attempt: attempt.attempt,
});

/** Says who is suspended; Abort and the next Open record say it too. */
const suspensions = (attempt: number, members: readonly Hex[]): readonly Effect[] =>
  members.length === 0
    ? []
    : [publish({ type: 'suspended', attempt, code: 'member_suspended', members })];

/**
 * Ends the attempt without a commit. Before the unmask phase nothing was revealed; after it, the
 * record states that the sum may be known.
 * @param culprits are not invited again; the record names those with proof
 * @param proof proves their lies to third parties
 */
export const abort = (
  config: MachineConfig,
  state: State,
  now: number,
  code: ErrorCode,
  reason: string,
  culprits: readonly Hex[],
  proof: Pick<Body<'abort'>, 'complaint' | 'lies'> = {},
): Step => {
  const attempt = attemptOf(state);
  // Once the commit is signed the ledger may hold it: that attempt can only be completed.
  if (attempt === undefined || state.phase.type === 'registering') return { state, effects: [] };
  const alive = attempt.survivors?.body.members ?? [];
  const suspended = suspendedBy(state.history, alive, code);
  const isProven = proof.complaint !== undefined || proof.lies !== undefined;
  const reported = reportedIn(attempt);
  const record = config.sign('abort', attempt.attempt, {
    code,
    reason: reason.slice(0, 500),
    culprits: isProven ? culprits.map(fromHex) : [],
    answered: mayBeKnown(config, state, attempt),
    ...(suspended.length === 0 ? {} : { suspended: suspended.map(fromHex) }),
    ...proof,
    ...(reported === undefined ? {} : { reported }),
  });
  const streak = streakAfter(config, state, attempt);
  const pause = pauseAfter(state.failures, streak, attempt);
  const retryAt = now + pause.milliseconds;
  const { reason: paused } = pause;
  const history = afterAttempt(state.history, { ...viewOf(config, state, attempt), abort: record });
  const ended: Step = {
    state: {
      ...state,
      phase: {
        type: 'waiting',
        since: now,
        until: retryAt,
        ...(paused === undefined ? {} : { pause: paused }),
      },
      failures: state.failures + 1,
      streak,
      tried: triedNow(config, state, attempt),
      history,
      silent: silentAfter(state, history, [...attempt.silent, ...silentNow(state)]),
      excluded: culprits.length === 0 ? state.excluded : new Set([...state.excluded, ...culprits]),
      proven: isProven ? new Set([...state.proven, ...culprits]) : state.proven,
      // A complaint ends an attempt before any answer, so no later set depends on it.
      proofs: proof.lies === undefined ? state.proofs : [...state.proofs, record],
      closing: record,
    },
    effects: [
      append(record),
      send('everyone', { type: 'record', record: record.bytes }),
      publish({
        type: 'aborted',
        attempt: attempt.attempt,
        code,
        reason,
        culprits,
        retryAt,
        answered: record.body.answered,
        reported: reported ?? [],
      }),
      ...suspensions(attempt.attempt, suspended),
    ],
  };
  if (isHopeless(streak)) return followedBy(ended, endRun(ended.state, now, streak.code));
  return paused === undefined
    ? ended
    : followedBy(ended, {
        state: ended.state,
        effects: [publish({ type: 'waiting', reason: paused })],
      });
};

const followedBy = ({ effects }: Step, next: Step): Step => ({
  state: next.state,
  effects: [...effects, ...next.effects],
});

export const registerWork = ({ attempt, commit }: Committing): Work => ({
  type: 'register-model',
  attempt,
  commit,
});

/**
 * The host has the sum and the new model: the commit is signed and the model goes to the ledger.
 */
export const applyAggregated = (
  config: MachineConfig,
  state: State,
  event: EventOf<'aggregated'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'finishing') return { state, effects: [] };
  const { attempt } = phase;
  const next = { ...attempt, commit: config.sign('commit', attempt.attempt, event.commit) };
  const entered = enter(state, { type: 'registering', since: event.time, attempt: next });
  return {
    state: entered.state,
    effects: [...entered.effects, startWork(registerWork(next))],
  };
};

/** How long each phase took, ms. */
const durations = (attempt: Attempt, end: number): Partial<Record<PhaseType, number>> =>
  Object.fromEntries(
    attempt.times.map(([type, since], i) => [type, (attempt.times[i + 1]?.[1] ?? end) - since]),
  );

export const applyRegistered = (
  config: MachineConfig,
  state: State,
  event: EventOf<'registered'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'registering') return { state, effects: [] };
  const { attempt } = phase;
  const { commit } = attempt;
  const committed = state.committed + 1;
  const done = committed === config.spec.rounds;
  const now = event.time;
  const history = afterAttempt(state.history, { ...viewOf(config, state, attempt), commit });
  const suspended = [...history.suspended]
    .filter(([, { last }]) => last === attempt.attempt)
    .map(([key]) => key);
  const moved = !equalBytes(commit.body.model.hash, commit.body.step.before);
  const earlier = isMasked(config)
    ? withModel(state.earlier, toHex(commit.body.step.before), survivorsOf(attempt).toSorted())
    : state.earlier;
  return {
    state: {
      ...state,
      ...(moved
        ? {
            tried: triedBefore(earlier, toHex(commit.body.model.hash), attempt.attempt),
            sitting: new Set<Hex>(),
            proofs: [],
          }
        : { tried: triedNow(config, state, attempt) }),
      phase: done ? { type: 'finished', since: now } : { type: 'waiting', since: now, until: now },
      earlier,
      committed,
      failures: 0,
      streak: undefined,
      model: commit.body.model,
      beacon: commit.body.beacon,
      meanExamples: commit.body.meanExamples,
      ...(commit.body.clip && { clipNorm: commit.body.clip.next }),
      drawn: new Set(attempt.eligible),
      history,
      silent: silentAfter(state, history, attempt.silent),
      closing: commit,
      evidence: evidenceOf(config, attempt, commit),
    },
    effects: [
      append(commit),
      send('everyone', { type: 'record', record: commit.bytes }),
      ...suspensions(attempt.attempt, suspended),
      publish({
        type: 'committed',
        attempt: attempt.attempt,
        version: committed,
        rounds: config.spec.rounds,
        cohort: attempt.members.length,
        survivors: attempt.survivors.body.members.length,
        weight: commit.body.weight,
        clipped: commit.body.clipped,
        ...(commit.body.clip && { clipNorm: commit.body.clip.next }),
        metrics: reportMetrics(config.spec.metrics, commit.body.metrics, commit.body.weight),
        ...stalenessOf(attempt),
        modelHash: commit.body.model.hash,
        uploadBytes: [...attempt.uploads.values()].reduce(
          (sum, { record }) => sum + record.body.blob.size,
          0,
        ),
        phases: durations(attempt, now),
      }),
      ...(done
        ? [
            send('everyone', { type: 'finished', rounds: committed }),
            publish({ type: 'finished', rounds: committed }),
          ]
        : []),
    ],
  };
};
