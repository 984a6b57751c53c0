/**
 * @module Entering a phase: the state takes the phase and notes the time, and the progress is published.
 */
import { publish, type Step } from './effects.ts';
import { silentNow, survivorsOf, uploaders, type Phase, type Round, type State } from './state.ts';

/** How many participants a phase is about. */
const sizeOf = (phase: Phase, round: Round): number => {
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
    case 'waiting':
    case 'finished':
      return 0;
  }
};

/** U: whose upload is in the sum, ascending. */
export const foldedMembers = (round: Round): string[] =>
  [...round.uploads]
    .filter(([, { status }]) => status === 'folded')
    .map(([key]) => key)
    .toSorted();

export const enter = (state: State, phase: Phase): Step => {
  const { round } = state;
  if (round === undefined) return { state: { ...state, phase }, effects: [] };
  const times = [...round.times, [phase.type, phase.since] as const];
  const silent = new Set([...round.silent, ...silentNow(state)]);
  return {
    state: { ...state, phase, round: { ...round, times, silent } },
    effects: [
      publish({
        type: 'phase',
        round: round.round,
        phase: phase.type,
        of: sizeOf(phase, round),
        time: phase.since,
      }),
    ],
  };
};
