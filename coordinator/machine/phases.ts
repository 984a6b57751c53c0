/**
 * @module Entering a phase: the state takes the phase and notes the time, and the progress is
 * published.
 */
import { publish, type Step } from './effects.ts';
import {
  silentNow,
  survivorsOf,
  uploaders,
  type Round,
  type RoundPhase,
  type State,
} from './state.ts';

/** How many participants a phase is about. */
const sizeOf = (phase: RoundPhase): number => {
  const { round } = phase;
  switch (phase.type) {
    case 'opening':
    case 'register':
      return round.invited.length;
    case 'freezing-cohort':
    case 'share':
      return round.members.length;
    case 'upload':
      return uploaders(round).length;
    case 'freezing-survivors':
      return foldedMembers(round).length;
    case 'consistency':
    case 'unmask':
    case 'finishing':
    case 'registering':
      return survivorsOf(round).length;
  }
};

/** U: whose upload is in the sum, ascending. */
export const foldedMembers = (round: Round): string[] =>
  [...round.uploads]
    .filter(([, { status }]) => status === 'folded')
    .map(([key]) => key)
    .toSorted();

const noted = <In extends RoundPhase>(phase: In, silent: readonly string[]): In => ({
  ...phase,
  round: {
    ...phase.round,
    times: [...phase.round.times, [phase.type, phase.since]],
    silent: new Set([...phase.round.silent, ...silent]),
  },
});

/** @param phase with the attempt as the phase begins */
export const enter = (state: State, phase: RoundPhase): Step => ({
  state: { ...state, phase: noted(phase, silentNow(state)) },
  effects: [
    publish({
      type: 'phase',
      round: phase.round.round,
      phase: phase.type,
      of: sizeOf(phase),
      time: phase.since,
    }),
  ],
});
