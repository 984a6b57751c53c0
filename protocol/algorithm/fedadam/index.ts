/**
 * @module FedAdam (Reddi et al. 2021, "Adaptive Federated Optimization", algorithm 2): the server
 * takes a step of Adam along the mean update. As in the paper there is no bias correction. Both
 * moments begin at zero, which is what the reference values and common implementations use; the
 * paper's analysis lets v begin at tau^2 or above.
 *
 *   m <- b1 m + (1 - b1) Delta
 *   v <- b2 v + (1 - b2) Delta^2
 *   w <- w + eta m / (sqrt(v) + tau)
 */
import type { Strategy } from '../strategy.ts';

export const fedAdam: Strategy = {
  name: 'fedadam',
  summary: 'takes a step of Adam along the weighted mean of the updates',
  source: 'Reddi et al. 2021, algorithm 2',
  parameters: [
    {
      name: 'serverLearningRate',
      default: 0.01,
      above: 0,
      most: 1000,
      help: 'eta: about the most that a parameter moves in a round',
    },
    {
      name: 'beta1',
      default: 0.9,
      least: 0,
      most: 0.999_999,
      help: 'decay of the mean of updates',
    },
    {
      name: 'beta2',
      default: 0.99,
      least: 0,
      most: 0.999_999,
      help: 'decay of the mean of squares',
    },
    {
      name: 'tau',
      default: 1e-3,
      above: 0,
      most: 1,
      help: 'how adaptive the step is: less is more',
    },
  ],
  state: [{ name: 'm' }, { name: 'v' }],
  // The moments are rounded to float32 first, and the step is taken from what is stored.
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const {
      serverLearningRate: rate,
      beta1,
      beta2,
      tau,
    } = parameters as Readonly<Record<'serverLearningRate' | 'beta1' | 'beta2' | 'tau', number>>;
    const [m, v] = [stateBefore[0]!, stateBefore[1]!];
    const [nextM, nextV] = [stateAfter[0]!, stateAfter[1]!];
    for (let i = 0; i < after.length; i += 1) {
      const delta = mean[i]!;
      nextM[i] = beta1 * m[i]! + (1 - beta1) * delta;
      nextV[i] = beta2 * v[i]! + (1 - beta2) * delta * delta;
      after[i] = before[i]! + (rate * nextM[i]!) / (Math.sqrt(nextV[i]!) + tau);
    }
  },
};
