/**
 * @module DiLoCo (Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of
 * Language Models"): many local steps of AdamW, then a step of SGD with Nesterov momentum along the
 * mean update, as PyTorch defines it. The local part is in the settings of training: `optimizer`
 * adamw, and `localSteps` H. Unlike in the paper the state of AdamW starts from zeros in every
 * round, since the cohort may be another one.
 *
 *   v <- mu v + Delta
 *   w <- w + eta (Delta + mu v)
 */
import { momentum, serverLearningRate } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const diLoCo: Strategy = {
  name: 'diloco',
  summary: 'takes a step of Nesterov momentum along the mean of updates of many local steps',
  source: 'Douillard et al. 2023, algorithm 1',
  parameters: [serverLearningRate(0.7, 'eta: the outer learning rate'), momentum(0.9)],
  state: [{ name: 'v' }],
  step: ({ parameters, mean, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const keep = parameters['momentum']!;
    const [velocity, next] = [stateBefore[0]!, stateAfter[0]!];
    for (let i = 0; i < after.length; i += 1) {
      next[i] = keep * velocity[i]! + mean[i]!;
      after[i] = before[i]! + rate * (mean[i]! + keep * next[i]!);
    }
  },
};
