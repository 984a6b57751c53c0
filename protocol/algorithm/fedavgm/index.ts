/**
 * @module FedAvgM (Hsu et al. 2019, "Measuring the Effects of Non-Identical Data Distribution for
 * Federated Visual Classification"): the server takes a step of SGD with momentum along the mean
 * update.
 *
 *   v <- beta v + Delta
 *   w <- w + eta v
 */
import { momentum, serverLearningRate } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedAvgM: Strategy = {
  name: 'fedavgm',
  summary: 'takes a step of SGD with momentum along the weighted mean of the updates',
  source: 'Hsu et al. 2019, section 4.3',
  parameters: [serverLearningRate(1, 'eta: the velocity is multiplied by this'), momentum(0.9)],
  state: [{ name: 'v' }],
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const keep = parameters['momentum']!;
    const [velocity, next] = [stateBefore[0]!, stateAfter[0]!];
    for (let i = 0; i < after.length; i += 1) {
      next[i] = keep * velocity[i]! + mean[i]!;
      after[i] = before[i]! + rate * next[i]!;
    }
  },
};
