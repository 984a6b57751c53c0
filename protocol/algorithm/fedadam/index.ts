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
import { adaptiveRate, beta1, beta2, tau } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedAdam: Strategy = {
  name: 'fedadam',
  summary: 'takes a step of Adam along the weighted mean of the updates',
  source: 'Reddi et al. 2021, algorithm 2',
  parameters: [adaptiveRate(0.01), beta1(0.9), beta2(0.99), tau(1e-3)],
  state: [{ name: 'm' }, { name: 'v' }],
  // The moments are rounded to float32 first, and the step is taken from what is stored.
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const decay = parameters['beta1']!;
    const decaySquares = parameters['beta2']!;
    const floor = parameters['tau']!;
    const [m, v] = [stateBefore[0]!, stateBefore[1]!];
    const [nextM, nextV] = [stateAfter[0]!, stateAfter[1]!];
    for (let i = 0; i < after.length; i += 1) {
      const delta = mean[i]!;
      nextM[i] = decay * m[i]! + (1 - decay) * delta;
      nextV[i] = decaySquares * v[i]! + (1 - decaySquares) * delta * delta;
      after[i] = before[i]! + (rate * nextM[i]!) / (Math.sqrt(nextV[i]!) + floor);
    }
  },
};
