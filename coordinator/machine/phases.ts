/**
 * @module Entering a phase: the state takes the phase and notes the time, and the progress is
 * published.
 */
import { publish, type Step } from './effects.ts';
import {
  silentNow,
  survivorsOf,
  uploaders,
  type Attempt,
  type AttemptPhase,
  type PhaseType,
  type State,
} from './state.ts';

/** The phases of an attempt, in their order. */
export const ATTEMPT_PHASES = [
  'opening',
  'register',
  'freezing-cohort',
  'share',
  'upload',
  'freezing-survivors',
  'consistency',
  'unmask',
  'finishing',
  'registering',
] as const satisfies readonly PhaseType[];

/** How many participants a phase is about. */
const sizeOf = (phase: AttemptPhase): number => {
  const { attempt } = phase;
  switch (phase.type) {
    case 'opening':
    case 'register':
      return attempt.invited.length;
    case 'freezing-cohort':
    case 'share':
      return attempt.members.length;
    case 'upload':
      return uploaders(attempt).length;
    case 'freezing-survivors':
      return foldedMembers(attempt).length;
    case 'consistency':
    case 'unmask':
    case 'finishing':
    case 'registering':
      return survivorsOf(attempt).length;
  }
};

/** U: whose upload is in the sum, ascending. */
export const foldedMembers = (attempt: Attempt): string[] =>
  [...attempt.uploads]
    .filter(([, { status }]) => status === 'folded')
    .map(([key]) => key)
    .toSorted();

const noted = <In extends AttemptPhase>(phase: In, silent: readonly string[]): In => ({
  ...phase,
  attempt: {
    ...phase.attempt,
    times: [...phase.attempt.times, [phase.type, phase.since]],
    silent: new Set([...phase.attempt.silent, ...silent]),
  },
});

/** @param phase with the attempt as the phase begins */
export const enter = (state: State, phase: AttemptPhase): Step => ({
  state: { ...state, phase: noted(phase, silentNow(state)) },
  effects: [
    publish({
      type: 'phase',
      attempt: phase.attempt.attempt,
      phase: phase.type,
      of: sizeOf(phase),
      time: phase.since,
    }),
  ],
});
