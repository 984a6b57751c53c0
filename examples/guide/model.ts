import type { ModelFunction } from '../../client/index.ts';

/** Two dense layers for the five inputs of the hospitals' contract. */
export const model: ModelFunction = (tf) =>
  tf.sequential({
    layers: [
      tf.layers.dense({ name: 'hidden', units: 8, activation: 'relu', inputShape: [5] }),
      tf.layers.dense({ name: 'output', units: 2, activation: 'softmax' }),
    ],
  });
