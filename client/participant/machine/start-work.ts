/**
 * @module Work of an attempt: none of a type is asked for twice at a time.
 */
import { same, type Effect, type Step } from './effects.ts';
import type { Work, WorkType } from './work-types.ts';
import { inAttempt, withAttempt, type State } from './state.ts';

/** Asks for a work of the attempt in progress, unless one of its type is being done. */
export const startWork = (state: State, work: Work, effects: readonly Effect[] = []): Step => {
  const phase = inAttempt(state.phase);
  if (phase === undefined || phase.attempt.busy.has(work.type)) return same(state, ...effects);
  const busy = new Set([...phase.attempt.busy, work.type]);
  return same({ ...state, phase: withAttempt(phase, { busy }) }, ...effects, {
    type: 'work',
    work,
  });
};

/** The work is over, whatever came of it. */
export const withoutWork = (state: State, type: WorkType): State => {
  const phase = inAttempt(state.phase);
  if (phase === undefined || !phase.attempt.busy.has(type)) return state;
  const busy = new Set([...phase.attempt.busy].filter((other) => other !== type));
  return { ...state, phase: withAttempt(phase, { busy }) };
};
