/**
 * @module FedDyn (Acar et al. 2021, "Federated Learning Based on Dynamic Regularization", algorithm
 * 1): each participant adds to its loss a linear term and a quadratic one, which change from round
 * to round so that the minimum of the sites agrees with that of all their examples.
 *
 *   local gradient: g - h_i + alpha (w - w_t)
 *   h_i <- h_i - alpha delta_i
 *   h   <- h - alpha |S| / N  Delta
 *   w   <- w_t + Delta - h / alpha
 *
 * Only the update travels. A participant moves its h_i by the update that is in the sum, clipped
 * and rounded; so h stays the mean of the h_i, weighted by examples.
 */
import { participation, population } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedDyn: Strategy = {
  name: 'feddyn',
  summary: 'regularises local losses so that their minima agree with that of all examples',
  source: 'Acar et al. 2021, algorithm 1',
  parameters: [
    {
      name: 'alpha',
      default: 0.1,
      above: 0,
      most: 1000,
      help: 'weight of the regularisation: more keeps the sites nearer to each other',
    },
    population,
  ],
  state: [{ name: 'h' }],
  member: {
    scalars: [],
    prepare: () => ({}),
    kept: [{ name: 'h' }],
    correction: ({ alpha }) => ({ proximal: alpha! }),
    linear: ({ kept }) => kept[0]!.map((value) => -value),
    advance: ({ parameters, kept }, { delta }) => {
      const alpha = parameters['alpha']!;
      return [kept[0]!.map((value, i) => value - alpha * delta[i]!)];
    },
  },
  step: ({ parameters, totals, mean, before, stateBefore, after, stateAfter }) => {
    const alpha = parameters['alpha']!;
    const fraction = participation(totals.survivors, parameters['population']!);
    const [old, next] = [stateBefore[0]!, stateAfter[0]!];
    for (let i = 0; i < after.length; i += 1) {
      next[i] = old[i]! - alpha * fraction * mean[i]!;
      after[i] = before[i]! + mean[i]! - next[i]! / alpha;
    }
  },
};
