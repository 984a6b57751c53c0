/**
 * @module FedYogi (Reddi et al. 2021, "Adaptive Federated Optimization", algorithm 2): the server
 * takes a step of Yogi along the mean update. The second moment moves by at most (1 - b2) Delta^2
 * in a round, so a round of small updates does not make it forget. No bias correction, and both
 * moments begin at zero, as in FedAdam.
 *
 *   m <- b1 m + (1 - b1) Delta
 *   v <- v - (1 - b2) Delta^2 sign(v - Delta^2)
 *   w <- w + eta m / (sqrt(v) + tau)
 */
import { adaptiveRate, beta1, beta2, tau } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedYogi: Strategy = {
  name: 'fedyogi',
  summary: 'takes a step of Yogi along the weighted mean of the updates',
  source: 'Reddi et al. 2021, algorithm 2',
  parameters: [adaptiveRate(0.01), beta1(0.9), beta2(0.99), tau(1e-3)],
  state: [{ name: 'm' }, { name: 'v' }],
  // As in FedAdam the step is taken from the stored float32 values.
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const decay = parameters['beta1']!;
    const decaySquares = parameters['beta2']!;
    const floor = parameters['tau']!;
    const [m, v] = [stateBefore[0]!, stateBefore[1]!];
    const [nextM, nextV] = [stateAfter[0]!, stateAfter[1]!];
    for (let i = 0; i < after.length; i += 1) {
      const delta = mean[i]!;
      const square = delta * delta;
      nextM[i] = decay * m[i]! + (1 - decay) * delta;
      nextV[i] = v[i]! - (1 - decaySquares) * square * Math.sign(v[i]! - square);
      after[i] = before[i]! + (rate * nextM[i]!) / (Math.sqrt(nextV[i]!) + floor);
    }
  },
};
