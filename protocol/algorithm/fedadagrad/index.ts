/**
 * @module FedAdagrad (Reddi et al. 2021, "Adaptive Federated Optimization", algorithm 2): the
 * server takes a step of Adagrad along the mean update. The sum of squares begins at zero, as in
 * common implementations; beta1 is 0 unless told, as in the experiments of the paper.
 *
 *   m <- b1 m + (1 - b1) Delta
 *   v <- v + Delta^2
 *   w <- w + eta m / (sqrt(v) + tau)
 */
import { adaptiveRate, beta1, tau } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedAdagrad: Strategy = {
  name: 'fedadagrad',
  summary: 'takes a step of Adagrad along the weighted mean of the updates',
  source: 'Reddi et al. 2021, algorithm 2',
  parameters: [adaptiveRate(0.1), beta1(0), tau(1e-3)],
  state: [{ name: 'm' }, { name: 'v' }],
  // As in FedAdam the step is taken from the stored float32 values.
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const decay = parameters['beta1']!;
    const floor = parameters['tau']!;
    const [m, v] = [stateBefore[0]!, stateBefore[1]!];
    const [nextM, nextV] = [stateAfter[0]!, stateAfter[1]!];
    for (let i = 0; i < after.length; i += 1) {
      const delta = mean[i]!;
      nextM[i] = decay * m[i]! + (1 - decay) * delta;
      nextV[i] = v[i]! + delta * delta;
      after[i] = before[i]! + (rate * nextM[i]!) / (Math.sqrt(nextV[i]!) + floor);
    }
  },
};
