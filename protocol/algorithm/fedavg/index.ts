/**
 * @module FedAvg: the weighted mean of the updates is added to the model (McMahan et al. 2017,
 * algorithm 1), times a server learning rate (Reddi et al. 2021, where it is SGD as the server
 * optimiser).
 */
import { serverLearningRate } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

export const fedAvg: Strategy = {
  name: 'fedavg',
  summary: 'adds the weighted mean of the updates to the model',
  source: 'McMahan et al. 2017, algorithm 1',
  parameters: [serverLearningRate(1)],
  state: [],
  step: ({ parameters, mean, before, after }) => {
    const rate = parameters['serverLearningRate']!;
    for (let i = 0; i < after.length; i += 1) after[i] = before[i]! + rate * mean[i]!;
  },
};
