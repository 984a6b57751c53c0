/**
 * @module The ways to leave an attempt, and the consequences of an error: see `Verdict`. Only
 * proven breaches, a proven false commit and a fault of this program in several attempts in a row
 * end the participant.
 */
import type { FloeError, ErrorCode } from '../../../protocol/errors.ts';
import { errorOfStreak, isOwnFault, noteFault } from '../../../protocol/own-faults.ts';
import { Breach } from '../../../protocol/rules/breach.ts';
import { MAX_BREACHES } from './config.ts';
import { emit, same, save, sendWithdrawal, type Effect, type Step } from './effects.ts';
import { judge, PortFault, type Verdict } from './verdict.ts';
import * as memories from './run-memory.ts';
import { attemptNumber, type State } from './state.ts';
import { detailOf } from './trainer-fault.ts';

const ended = (state: State, ...effects: readonly Effect[]): Step =>
  same({ ...state, phase: { type: 'ended' } }, ...effects);

/** Nothing more is done in this run. */
export const endWith = (state: State, how: FloeError | 'finished', effects: readonly Effect[]) =>
  ended(state, ...effects, { type: 'cancel' }, { type: 'end', how });

/**
 * The code of an error towards others: `clock_skewed` where a gate or ledger fails and the own
 * clock may be why.
 */
export const causeOf = ({ skew }: State, error: FloeError): ErrorCode => {
  const isTimed = error instanceof PortFault && (error.port === 'gate' || error.port === 'ledger');
  const mayBeOwn = skew?.whose === 'own' || skew?.whose === 'unknown';
  return isTimed && mayBeOwn ? 'clock_skewed' : error.code;
};

/** Leaves the attempt in progress and forgets its secrets; nothing happens where there is none. */
export const withdraw = (state: State, error: FloeError, why: Verdict = 'declined'): Step => {
  const number = attemptNumber(state.phase);
  if (number === undefined) return same(state);
  const code = causeOf(state, error);
  const { attempt } = state.memory;
  const memory =
    attempt === undefined
      ? state.memory
      : memories.end(state.memory, attempt.attempt === number ? code : undefined);
  return same(
    { ...state, memory, phase: { type: 'idle' } },
    // A disk that fails now keeps the secrets of the attempt; they are replaced when the next one
    // begins.
    ...(attempt === undefined ? [] : [save(memory, 'warn')]),
    { type: 'cancel' },
    sendWithdrawal(number, code, detailOf(error)),
    emit({ type: 'withdrawn', attempt: number, error, why }),
  );
};

/** The attempt that an error is about, as far as there is one. */
export const nearest = ({ phase, memory }: State): number =>
  attemptNumber(phase) ?? memory.last?.attempt ?? 0;

const breach = (before: State, error: Breach): Step => {
  const count = before.breaches + 1;
  const { records } = error;
  const told = emit({
    type: 'violation',
    attempt: nearest(before),
    error,
    records,
    count,
  });
  const { state, effects } = withdraw({ ...before, breaches: count }, error, 'breach');
  return count >= MAX_BREACHES
    ? endWith(state, error, [told, ...effects])
    : same(state, told, ...effects);
};

/** @param source see `judge` */
export const fault = (before: State, error: FloeError, source: 'frame' | 'work'): Step => {
  if (error instanceof Breach) return breach(before, error);
  const verdict = judge(error, source);
  if (verdict === 'end') return endWith(before, error, []);
  const attempt = attemptNumber(before.phase);
  const isOwn = verdict === 'local' && attempt !== undefined && isOwnFault(error.code);
  const ownFaults = isOwn ? noteFault(before.ownFaults, attempt, error.code) : before.ownFaults;
  const told =
    verdict === 'unproven' ? [emit({ type: 'unproven', attempt: nearest(before), error })] : [];
  const { state, effects } = withdraw({ ...before, ownFaults }, error, verdict);
  const end = isOwn ? errorOfStreak(ownFaults, error.message) : undefined;
  return end === undefined
    ? same(state, ...told, ...effects)
    : endWith(state, end, [...told, ...effects]);
};
