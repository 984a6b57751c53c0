/**
 * @module A strategy of one's own: the mean update is averaged over rounds before it is added (the
 * heavy ball of Polyak 1964), and a round in which participants made many local steps counts for
 * less. Nothing of Floe but its types is needed. Try it:
 *
 *   floe sim --local --strategy-module examples/strategy/heavy-ball.ts --strategy heavy-ball \
 *     --strategy-parameter friction=0.2
 *   floe verify runs/latest --strategy-module examples/strategy/heavy-ball.ts
 */
import type { Strategy } from '../../protocol/index.ts';

const heavyBall: Strategy = {
  name: 'heavy-ball',
  summary: 'adds a running average of the mean updates to the model',
  source: 'Polyak 1964',
  parameters: [
    {
      name: 'friction',
      default: 0.1,
      above: 0,
      most: 1,
      help: 'share of the velocity lost a round',
    },
    {
      name: 'fullSteps',
      default: 100,
      least: 1,
      most: 1e6,
      help: 'local steps that count in full',
    },
  ],
  /** One float32 for each parameter of the model, kept by the server from round to round. */
  state: [{ name: 'velocity' }],
  /**
   * Each participant adds its local steps to its masked update: the server learns their sum alone.
   */
  member: {
    scalars: [{ name: 'steps', kind: 'sum', scale: 1 }],
    prepare: ({ steps }) => ({ steps }),
  },
  /**
   * Coordinate by coordinate, with + - * / and Math.sqrt only: everybody repeats it bit for bit.
   */
  step: ({ parameters, totals, mean, before, stateBefore, after, stateAfter }) => {
    const keep = 1 - parameters['friction']!;
    const steps = totals.scalars['steps']! / totals.survivors;
    const gain = Math.min(1, parameters['fullSteps']! / steps);
    const [velocity, next] = [stateBefore[0]!, stateAfter[0]!];
    for (let i = 0; i < after.length; i += 1) {
      next[i] = keep * velocity[i]! + gain * mean[i]!;
      after[i] = before[i]! + next[i]!;
    }
  },
};

export const strategies = [heavyBall];
