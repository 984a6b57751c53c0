/**
 * @module A simulation module: a logistic regression written by hand, without tfjs, on data of its
 * own. `floe sim --module examples/simulation/task.ts` runs it; every worker imports this file. It
 * needs nothing of Floe but types.
 */
import type { Dataset } from '../../client/index.ts';
import type { SimulationData, SimulationTrainerInit, Trainer } from '../../sim/index.ts';

const FEATURES = 4;
const ROWS = 600;
const TEST_ROWS = 200;

/** Uniform in [0, 1), reproducible: a simulation repeats itself only if its module does. */
const generator = (seed: Uint8Array): (() => number) => {
  let state = seed.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 1);
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

/** Two classes, whose features are shifted by one against each other. */
const examples = (rows: number, random: () => number): Dataset => {
  const features = new Float32Array(rows * FEATURES);
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const label = random() < 0.5 ? 0 : 1;
    labels[row] = label;
    for (let i = 0; i < FEATURES; i += 1)
      features[row * FEATURES + i] = label + 2 * (random() - 0.5);
  }
  return { features, labels, size: rows, featureShape: [FEATURES], classes: 2 };
};

export const name = 'logistic regression';

export const data = (seed: Uint8Array): SimulationData => {
  const random = generator(seed);
  return {
    train: examples(ROWS, random),
    test: examples(TEST_ROWS, random),
    source: 'two shifted clouds',
  };
};

/** Where example `i` of a view is, in rows. */
const rowOf = ({ indices }: Dataset, i: number): number => indices?.[i] ?? i;

/** Probability of class 1. The weights: one for each feature, then the bias. */
const predict = (weights: Float32Array, { features }: Dataset, row: number): number => {
  let z = weights[FEATURES] as number;
  for (let i = 0; i < FEATURES; i += 1)
    z += (weights[i] as number) * (features[row * FEATURES + i] as number);
  return 1 / (1 + Math.exp(-z));
};

const lossOf = (probability: number, label: number): number =>
  -Math.log(Math.max(1e-7, label === 1 ? probability : 1 - probability));

/** For `floe coordinator --module`, which has no examples to make a trainer of. */
export const manifest: Trainer['manifest'] = {
  tensors: [
    { name: 'kernel', shape: [FEATURES], dtype: 'float32' },
    { name: 'bias', shape: [1], dtype: 'float32' },
  ],
};

export const trainer = ({ data: own }: SimulationTrainerInit): Trainer => ({
  manifest,
  backend: 'plain JavaScript',
  examples: own.size,
  train: async ({ weights: start, epochs, batchSize, learningRate }) => {
    const weights = start.slice();
    let [lossSum, correct] = [0, 0];
    for (let epoch = 0; epoch < epochs; epoch += 1) {
      [lossSum, correct] = [0, 0];
      for (let at = 0; at < own.size; at += batchSize) {
        const end = Math.min(own.size, at + batchSize);
        const gradient = new Float64Array(weights.length);
        for (let i = at; i < end; i += 1) {
          const row = rowOf(own, i);
          const label = own.labels[row] as number;
          const probability = predict(weights, own, row);
          lossSum += lossOf(probability, label);
          correct += Number(probability >= 0.5) === label ? 1 : 0;
          for (let j = 0; j < FEATURES; j += 1)
            gradient[j]! += (probability - label) * (own.features[row * FEATURES + j] as number);
          gradient[FEATURES]! += probability - label;
        }
        for (const [j, slope] of gradient.entries())
          weights[j]! -= (learningRate * slope) / (end - at);
      }
    }
    return { weights, examples: own.size, lossSum, correct };
  },
  evaluate: async (weights, on = own) => {
    let [lossSum, correct] = [0, 0];
    for (let i = 0; i < on.size; i += 1) {
      const row = rowOf(on, i);
      const label = on.labels[row] as number;
      const probability = predict(weights, on, row);
      lossSum += lossOf(probability, label);
      correct += Number(probability >= 0.5) === label ? 1 : 0;
    }
    return { examples: on.size, lossSum, correct };
  },
  dispose: () => undefined,
});
