/**
 * @module The aggregate of a round as state of the next: a robust rule that begins at it reads it
 * from there. It is the last vector of the state, behind those of the strategy.
 */
import type { Strategy } from './strategy.ts';

export const CENTRE = 'centre';

/** A strategy that also stores the aggregate it was given. */
export const keepingCentre = (strategy: Strategy): Strategy => ({
  ...strategy,
  state: [...strategy.state, { name: CENTRE }],
  step: (input) => {
    strategy.step({
      ...input,
      stateBefore: input.stateBefore.slice(0, -1),
      stateAfter: input.stateAfter.slice(0, -1),
    });
    input.stateAfter.at(-1)!.set(input.mean);
  },
});
