/**
 * @module FedProx (Li et al. 2020, "Federated Optimization in Heterogeneous Networks", algorithm
 * 2): FedAvg whose participants minimise their own loss plus mu/2 ||w - w_t||^2, where w_t is the
 * model that the round starts from. The term keeps the updates of unlike sites nearer to each
 * other. The server's step is FedAvg's; mu 0 is FedAvg to the bit.
 */
import { fedAvg } from '../fedavg/index.ts';
import type { Strategy } from '../strategy.ts';

export const fedProx: Strategy = {
  name: 'fedprox',
  summary: 'FedAvg with local steps that are pulled back to the model of the round',
  source: 'Li et al. 2020, algorithm 2',
  parameters: [
    ...fedAvg.parameters,
    {
      name: 'mu',
      default: 0.01,
      least: 0,
      most: 1000,
      help: 'mu (w - w_t) is added to the gradient of each local step',
    },
  ],
  state: [],
  member: {
    scalars: [],
    prepare: () => ({}),
    correction: ({ mu }) => ({ proximal: mu! }),
  },
  step: (input) => fedAvg.step(input),
};
