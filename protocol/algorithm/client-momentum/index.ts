/**
 * @module Momentum at the participants (Karimireddy, He, Jaggi 2021, "Learning from History for
 * Byzantine Robust Optimization", algorithm 1): each sends a running mean of its updates, which
 * varies less from round to round than a single one. A robust rule then tells false updates from
 * honest ones more easily. The server's step is FedAvg's.
 *
 *   m_i <- beta m_i + (1 - beta) delta_i
 *
 * A participant's mean moves on with the rounds that its update is in. It begins at zero, so the
 * first updates are short. With cohorts drawn from many participants most updates are such first
 * ones, or carry a mean of rounds long past: it suits cohorts of everybody.
 */
import { fedAvg } from '../fedavg/index.ts';
import { momentum } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const clientMomentum: Strategy = {
  name: 'client-momentum',
  summary:
    'FedAvg of running means of updates, which each participant keeps: ' +
    'for robust rules, with everybody in each cohort',
  source: 'Karimireddy, He, Jaggi 2021, algorithm 1',
  parameters: [...fedAvg.parameters, momentum(0.9)],
  state: [],
  member: {
    scalars: [],
    kept: [{ name: 'momentum' }],
    prepare: ({ parameters, delta, kept }) => {
      const keep = parameters['momentum']!;
      const mean = kept[0]!;
      for (let i = 0; i < delta.length; i += 1) delta[i] = keep * mean[i]! + (1 - keep) * delta[i]!;
      return {};
    },
    advance: ({ delta }) => [delta.slice()],
  },
  step: (input) => fedAvg.step(input),
};
