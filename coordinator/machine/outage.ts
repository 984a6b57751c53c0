/**
 * @module Waits for a reported outage within the attempt. If a phase would end with too few
 * answers, and present members report that they wait for a store, gate or ledger, the phase
 * restarts, up to a limit. An abort would not help: the next attempt would meet the same outage,
 * and would need new keys and new training.
 */
import { ERRORS } from '../../protocol/error-catalogue.ts';
import { isErrorCode, type ErrorCode } from '../../protocol/errors.ts';
import { OUTAGES } from '../../protocol/outages.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { publish, type Step } from './effects.ts';
import { answersOf } from './unmask.ts';
import { timed } from './upload.ts';
import { quorum } from './quorum.ts';
import { awaited, attemptOf } from './state.ts';
import type { AnswerPhase, Phase, PhaseOf, PhaseType, Attempt, State } from './state.ts';

/**
 * How long a phase waits for an outage beyond its first deadline, as long as the host waits with
 * its own work.
 */
export const OUTAGE_LIMIT_MS = WORK_LIMIT_MS;

const isAnswerType = (type: PhaseType): type is AnswerPhase =>
  type === 'register' ||
  type === 'share' ||
  type === 'upload' ||
  type === 'consistency' ||
  type === 'unmask';

const isAnswerPhase = (phase: Phase): phase is PhaseOf<AnswerPhase> => isAnswerType(phase.type);

/** Answers that count so far, and how many the phase needs. */
const answersIn = (
  config: MachineConfig,
  type: AnswerPhase,
  attempt: Attempt,
): { readonly count: number; readonly needed: number } => {
  const needed = quorum(config, attempt);
  switch (type) {
    case 'register':
      return { count: attempt.registers.size, needed };
    case 'share':
      return { count: attempt.shares.size, needed };
    case 'upload': {
      const count = [...attempt.uploads.values()].filter(
        ({ status }) => status !== 'rejected',
      ).length;
      return { count, needed };
    }
    case 'consistency':
      return answersOf(config, attempt, attempt.consistent);
    case 'unmask':
      return answersOf(config, attempt, attempt.unmasks);
  }
};

/** Of those that are here and have not answered: the outage that each reports. */
const outagesOf = (state: State): readonly ErrorCode[] =>
  awaited(state).flatMap((key) => {
    const code = attemptOf(state)?.reports.get(key)?.code;
    const isHere = state.participants.get(key)?.present === true;
    return isHere && code !== undefined && isErrorCode(code) && OUTAGES.has(code) ? [code] : [];
  });

/**
 * How far earlier phases of the attempt lasted beyond their deadlines, ms: the limit is that of the
 * attempt, so members that report outages without end delay it once, and not in each phase.
 */
const waitedBefore = (
  { spec }: MachineConfig,
  { attempt: { times }, since }: PhaseOf<AnswerPhase>,
): number => {
  let waited = 0;
  for (const [i, [type, from]] of times.entries()) {
    if (!isAnswerType(type)) continue;
    const until = times[i + 1]?.[1] ?? since;
    waited += Math.max(0, until - from - spec.deadlines[type] * 1000);
  }
  return waited;
};

/**
 * The phase again, whose deadline is over; undefined where waiting cannot help, or has lasted long
 * enough.
 */
export const prolonged = (config: MachineConfig, state: State, now: number): Step | undefined => {
  const { phase } = state;
  if (!isAnswerPhase(phase)) return undefined;
  const { attempt } = phase;
  const own = config.spec.deadlines[phase.type] * 1000;
  const last = phase.since + own + OUTAGE_LIMIT_MS - waitedBefore(config, phase);
  if (now >= last) return undefined;
  const { count, needed } = answersIn(config, phase.type, attempt);
  const outages = outagesOf(state);
  if (count >= needed || count + outages.length < needed) return undefined;
  const deadline = Math.min(last, now + own);
  const again = timed(config, { ...phase, timedFrom: now, deadline });
  const next = { ...state, phase: again };
  // Once: the phase has not begun again before.
  if (phase.timedFrom !== undefined) return { state: next, effects: [] };
  const code = outages[0] as ErrorCode;
  const same = outages.filter((one) => one === code).length;
  const reason =
    `attempt ${attempt.attempt} waits in its ${phase.type} phase: ${same} of ${awaited(state).length + count} members report ` +
    `${code}: ${ERRORS[code].meaning} ${ERRORS[code].remedy} The attempt is aborted if that lasts for ` +
    `${OUTAGE_LIMIT_MS / 1000} s more`;
  return { state: next, effects: [publish({ type: 'waiting', reason })] };
};
