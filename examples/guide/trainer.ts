import { functionTrainer, type Dataset, type OwnTrainerInit } from '../../client/index.ts';
import type { Trainer, TrainRequest } from '../../client/index.ts';

const INPUTS = 5; // of the contract: three numbers, a category of two values

export const manifest: Trainer['manifest'] = {
  tensors: [
    { name: 'kernel', shape: [INPUTS], dtype: 'float32' },
    { name: 'bias', shape: [1], dtype: 'float32' },
  ],
};

/** Probability of class 1 for example `i`: a logistic regression. */
const predict = (weights: Float32Array, { features, indices }: Dataset, i: number): number => {
  const row = (indices?.[i] ?? i) * INPUTS;
  let z = weights[INPUTS]!;
  for (let j = 0; j < INPUTS; j += 1) z += weights[j]! * features[row + j]!;
  return 1 / (1 + Math.exp(-z));
};

/** Sums over all examples: loss, hits, and the ill patients that were found. */
const score = (weights: Float32Array, data: Dataset) => {
  const sums = { lossSum: 0, correct: 0, ill: 0, found: 0 };
  for (let i = 0; i < data.size; i += 1) {
    const label = data.labels[data.indices?.[i] ?? i]!;
    const p = predict(weights, data, i);
    sums.lossSum -= Math.log(Math.max(1e-7, label === 1 ? p : 1 - p));
    sums.correct += p >= 0.5 === (label === 1) ? 1 : 0;
    sums.ill += label;
    sums.found += p >= 0.5 ? label : 0;
  }
  const { ill, found, ...rest } = sums;
  return { examples: data.size, ...rest, metrics: { ill, found } };
};

const train = async (data: Dataset, request: TrainRequest): Promise<Float32Array> => {
  const { weights: start, epochs, learningRate, signal, onProgress, correction } = request;
  const weights = start.slice();
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    signal?.throwIfAborted(); // the attempt was aborted, or the user stopped
    const gradient = new Float64Array(INPUTS + 1);
    for (let i = 0; i < data.size; i += 1) {
      const row = data.indices?.[i] ?? i;
      const slope = (predict(weights, data, i) - data.labels[row]!) / data.size;
      for (let j = 0; j < INPUTS; j += 1) gradient[j]! += slope * data.features[row * INPUTS + j]!;
      gradient[INPUTS]! += slope;
    }
    // A pull towards the weights of the round, and a vector: FedProx, SCAFFOLD, FedDyn.
    const { proximal = 0, linear } = correction ?? {};
    for (const [j, slope] of gradient.entries()) {
      const added = proximal * (weights[j]! - start[j]!) + (linear?.[j] ?? 0);
      weights[j]! -= learningRate * (slope + added);
    }
    onProgress?.((epoch + 1) * data.size, epochs * data.size);
  }
  return weights;
};

export const trainer = ({ data }: OwnTrainerInit): Trainer =>
  functionTrainer({
    manifest,
    backend: 'logistic regression in plain JavaScript',
    examples: data.size,
    corrections: true,
    train: async (request) => {
      const weights = await train(data, request);
      return { ...score(weights, data), weights };
    },
    evaluate: (weights, on = data) => score(weights, on),
  });
