/**
 * @module The machine: (state, event) -> (state, effects), pure. The round on one page: an event is
 * applied to the state, then the phases are advanced for as long as one of them can end. Every
 * phase ends when everybody has answered, when nobody who has not is left, or at its deadline, so
 * no round stalls. After Bonawitz et al. 2017, protocol of figure 4.
 *
 * waiting -> opening -> register -> freezing-cohort -> [share ->] upload -> freezing-survivors
 *     -> [consistency -> unmask ->] finishing -> registering -> waiting | finished
 *
 * Any phase may lead to abort, and abort leads to waiting. Only masked runs have the phases in
 * brackets.
 */
import type { ErrorCode } from '../../protocol/errors.ts';
import { toHex } from '../../protocol/bytes.ts';
import { brokenStreams } from '../../protocol/rules/noise-streams.ts';
import { applyReported, endRun } from './abort-causes.ts';
import { abort, applyAggregated, applyRegistered } from './attempt-end.ts';
import { isBufferSettled, isFilling } from './buffer.ts';
import { applyJudged, unjudged } from './complaint.ts';
import type { MachineConfig } from './config.ts';
import type { Effect, Step } from './effects.ts';
import type { Event } from './events.ts';
import { prolonged } from './outage.ts';
import { applyJoined, applyLeft, applyResumed, applyWithdrawn } from './presence.ts';
import { applyRecord } from './records.ts';
import { applyCohortFrozen, closeRegister } from './register.ts';
import { closeShare } from './share.ts';
import { awaited, goneAt, nobodyLeft, attemptOf, type PhaseOf, type State } from './state.ts';
import { closeConsistency, closeUnmask } from './unmask.ts';
import {
  applyFolded,
  applySurvivorsFrozen,
  applyUploadRejected,
  closeUpload,
  rejectUnfolded,
  unfolded,
  uploadLimit,
} from './upload.ts';
import { applyOpened, isOverBudget, openAttempt, opensAt, sayWhy } from './between-attempts.ts';

const same = (state: State): Step => ({ state, effects: [] });

/** Applies the event itself, before any phase ends. */
const apply = (config: MachineConfig, state: State, event: Event): Step => {
  // Results of the host's work for an earlier attempt are ignored.
  if ('attempt' in event && event.attempt !== attemptOf(state)?.attempt) return same(state);
  switch (event.type) {
    case 'started':
      return same({
        ...state,
        model: event.model,
        beacon: event.beacon,
        startWith: event.startWith,
        phase: { type: 'waiting', since: event.time, until: event.time },
      });
    case 'resumed':
      return applyResumed(config, state, event);
    case 'joined':
      return applyJoined(config, state, event);
    case 'left':
      return applyLeft(state, event);
    case 'withdrawn':
      return applyWithdrawn(state, event);
    case 'reported':
      return applyReported(state, event);
    case 'record':
      return applyRecord(config, state, event);
    case 'opened':
      return applyOpened(config, state, event);
    case 'cohort-frozen':
      return applyCohortFrozen(config, state, event);
    case 'folded':
      return applyFolded(state, event);
    case 'upload-rejected':
      return applyUploadRejected(state, event);
    case 'complaint-judged':
      return applyJudged(config, state, event);
    case 'survivors-frozen':
      return applySurvivorsFrozen(config, state, event);
    case 'aggregated':
      return applyAggregated(config, state, event);
    case 'registered':
      return applyRegistered(config, state, event);
    case 'work-failed':
      return abort(
        config,
        state,
        event.time,
        event.code as ErrorCode,
        event.reason,
        event.culprits.map(toHex),
        event.lies === undefined ? {} : { lies: event.lies },
      );
    case 'tick':
      return same(state);
  }
};

/** Ends the phase if it is over; undefined when it is not. */
const advance = (config: MachineConfig, state: State, now: number): Step | undefined => {
  const { phase } = state;
  if (phase.type === 'waiting' && isOverBudget(config, state))
    return endRun(state, now, 'privacy_budget_spent');
  if (phase.type === 'waiting' && brokenStreams(config.spec, state.history, state.excluded))
    return endRun(state, now, 'noise_streams_broken');
  if (phase.type === 'waiting')
    return opensAt(config, state) <= now ? openAttempt(config, state, now) : sayWhy(config, state);
  if (phase.type === 'registering' || phase.type === 'finished') return undefined;
  if (phase.type === 'register' && isFilling(config, phase))
    return isBufferSettled(config, state, phase.attempt)
      ? closeRegister(config, state, phase.attempt, now)
      : undefined;
  const late = now >= phase.deadline;
  const longer = late ? prolonged(config, state, now) : undefined;
  if (longer !== undefined) return longer;
  const settled = late || nobodyLeft(config, state, now);
  switch (phase.type) {
    case 'register':
      return settled || phase.attempt.registers.size === config.spec.cohort.size
        ? closeRegister(config, state, phase.attempt, now)
        : undefined;
    case 'share':
      return settled ? closeShare(config, state, phase.attempt, now) : undefined;
    case 'upload':
      return settled ? advanceUpload(config, state, phase, now) : undefined;
    case 'consistency':
      return settled ? closeConsistency(config, state, phase.attempt, now) : undefined;
    case 'unmask':
      return settled ? closeUnmask(config, state, phase.attempt, now) : undefined;
    case 'opening':
    case 'freezing-cohort':
    case 'freezing-survivors':
    case 'finishing':
      return late
        ? abort(config, state, now, 'attempt_aborted', `${phase.type} took too long`, [])
        : undefined;
  }
};

/**
 * Waits for uploads that are still being folded, also beyond the deadline, up to the host's time
 * limit.
 */
const advanceUpload = (
  config: MachineConfig,
  state: State,
  { attempt, deadline }: PhaseOf<'upload'>,
  now: number,
): Step | undefined => {
  // No set of survivors before a complaint is judged: it may end the attempt.
  if (unjudged(attempt).length > 0) return undefined;
  const [pending] = unfolded(attempt);
  if (pending === undefined) return closeUpload(config, state, attempt, now);
  const [key, upload] = pending;
  return now >= uploadLimit(deadline) ? rejectUnfolded(state, attempt, key, upload) : undefined;
};

/**
 * One event. When the returned state is the very same object, the event changed nothing and need
 * not be journalled; its effects (an acknowledgement, a refusal) are to be performed all the same.
 */
export const step = (config: MachineConfig, state: State, event: Event): Step => {
  let current = apply(config, state, event);
  const effects: Effect[] = [...current.effects];
  for (
    let next = advance(config, current.state, event.time);
    next !== undefined;
    next = advance(config, current.state, event.time)
  ) {
    current = next;
    effects.push(...next.effects);
  }
  return { state: current.state, effects };
};

/**
 * The next time at which a `tick` may change something, after `now`; undefined when only an event
 * can.
 */
export const nextWake = (config: MachineConfig, state: State, now: number): number | undefined => {
  const { phase } = state;
  if (isFilling(config, phase)) return undefined;
  const times = [
    ...(phase.type === 'waiting' ? [opensAt(config, state)] : []),
    ...('deadline' in phase ? [phase.deadline] : []),
    ...(phase.type === 'upload' ? [uploadLimit(phase.deadline)] : []),
    ...awaited(state).map((key) => goneAt(config, state, key) ?? Infinity),
  ].filter((time) => time > now && Number.isFinite(time));
  return times.length === 0 ? undefined : Math.min(...times);
};
