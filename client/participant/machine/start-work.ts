/**
 * @module Starts work of an attempt: at most one of each type at a time.
 */
import { same, type Effect, type Step } from './effects.ts';
import type { Work, WorkType } from './work-types.ts';
import { inAttempt, withAttempt, type State } from './state.ts';

/** Requests work of the attempt in progress, unless work of its type is in progress. */
export const startWork = (state: State, work: Work, effects: readonly Effect[] = []): Step => {
  const phase = inAttempt(state.phase);
  if (phase === undefined || phase.attempt.busy.has(work.type)) return same(state, ...effects);
  const busy = new Set([...phase.attempt.busy, work.type]);
  return same({ ...state, phase: withAttempt(phase, { busy }) }, ...effects, {
    type: 'work',
    work,
  });
};

/** The work has ended, with a result or an error. */
export const withoutWork = (state: State, type: WorkType): State => {
  const phase = inAttempt(state.phase);
  if (phase === undefined || !phase.attempt.busy.has(type)) return state;
  const busy = new Set([...phase.attempt.busy].filter((other) => other !== type));
  return { ...state, phase: withAttempt(phase, { busy }) };
};
