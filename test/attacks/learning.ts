/**
 * @module Private data, honest training on it whose true updates the test knows, and what an
 * attacker reads out of a sum of them: a linear model, and one with a hidden layer for "Robbing the
 * Fed" (Fowl et al. 2022).
 */
import { cipherStream, deriveSeed, type RandomSource } from '../../protocol/ports/random.ts';
import type { Manifest } from '../../protocol/model/index.ts';
import { functionTrainer, type Trainer } from '../../client/trainer.ts';
import { TENSORS } from '../support/scripted-coordinator.ts';

// Vectors.

export const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
export const norm = (a: Float32Array): number => Math.sqrt(dot(a, a));
/** 1 when the two point the same way: the attacker has the vector up to its length. */
export const cosine = (a: Float32Array, b: Float32Array): number =>
  dot(a, b) / (norm(a) * norm(b) || 1);
export const minus = (a: Float32Array, ...others: readonly Float32Array[]): Float32Array =>
  others.reduce((rest, other) => rest.map((value, i) => value - other[i]!), a);
export const times = (a: Float32Array, factor: number): Float32Array =>
  a.map((value) => value * factor);

/** Uniform in [-1, 1). */
const uniform = (random: RandomSource): number => {
  const [a = 0, b = 0] = random(2);
  return (a * 256 + b) / 32_768 - 1;
};

// Private data and honest training on it.

export interface Example {
  readonly features: Float32Array;
  /** What the model should say: one number for each output. */
  readonly target: Float32Array;
}

const FEATURES = 6;
const OUTPUTS = 5;

/** The private examples of one participant: features in [-1, 1), one of five classes. */
export const examplesOf = (seed: string, count: number, scale = 1): Example[] => {
  const random = cipherStream(deriveSeed(new Uint8Array(32), 'examples', seed));
  return Array.from({ length: count }, (_, i) => ({
    features: new Float32Array(FEATURES).map(() => scale * uniform(random)),
    target: new Float32Array(OUTPUTS).fill(1, i % OUTPUTS, (i % OUTPUTS) + 1),
  }));
};

/** A trainer whose true updates the test may look at, to say how close an attacker has come. */
export interface Learner {
  readonly trainer: Trainer;
  /** Weights that training started from, and the update it gave, call by call. */
  readonly seen: Float32Array[];
  readonly updates: Float32Array[];
}

type Gradient = (weights: Float32Array, batch: readonly Example[]) => Float32Array;

/** Plain gradient descent, batch by batch in the order of the examples. */
const learner = (manifest: Manifest, examples: readonly Example[], gradient: Gradient): Learner => {
  const seen: Float32Array[] = [];
  const updates: Float32Array[] = [];
  return {
    seen,
    updates,
    trainer: functionTrainer({
      manifest,
      examples: examples.length,
      train: ({ weights, epochs, batchSize, learningRate }) => {
        let trained: Float32Array = weights.slice();
        for (let epoch = 0; epoch < epochs; epoch += 1)
          for (let at = 0; at < examples.length; at += batchSize)
            trained = minus(
              trained,
              times(gradient(trained, examples.slice(at, at + batchSize)), learningRate),
            );
        seen.push(weights.slice());
        updates.push(minus(trained, weights));
        return { weights: trained, examples: examples.length, lossSum: 1, correct: 1 };
      },
    }),
  };
};

/** Mean gradient of the squared error of a linear model with six features and five outputs. */
export const linearGradient: Gradient = (weights, batch) => {
  const sum = new Float32Array(weights.length);
  for (const { features, target } of batch)
    for (let k = 0; k < OUTPUTS; k += 1) {
      let error = weights[FEATURES * OUTPUTS + k]! - target[k]!;
      for (let f = 0; f < FEATURES; f += 1) error += features[f]! * weights[f * OUTPUTS + k]!;
      for (let f = 0; f < FEATURES; f += 1)
        sum[f * OUTPUTS + k]! += (error * features[f]!) / batch.length;
      sum[FEATURES * OUTPUTS + k]! += error / batch.length;
    }
  return sum;
};

export const linearLearner = (examples: readonly Example[]): Learner =>
  learner({ tensors: TENSORS }, examples, linearGradient);

/** The part of a linear update that belongs to one output's features. */
export const columnOf = (update: Float32Array, output: number): Float32Array =>
  new Float32Array(FEATURES).map((_, f) => update[f * OUTPUTS + output]!);

// A model with one hidden layer, for "Robbing the Fed" (Fowl et al. 2022).

export const TRAP = { features: 16, neurons: 400 } as const;
export const TRAP_TENSORS = [
  { name: 'hidden/kernel', shape: [TRAP.features, TRAP.neurons], dtype: 'float32' },
  { name: 'hidden/bias', shape: [TRAP.neurons], dtype: 'float32' },
  { name: 'output/kernel', shape: [TRAP.neurons], dtype: 'float32' },
] as const;

/** Examples of the wide model: features in [0, 1), all of one target. */
export const wideExamples = (seed: string, count: number): Example[] => {
  const random = cipherStream(deriveSeed(new Uint8Array(32), 'wide', seed));
  return Array.from({ length: count }, () => ({
    features: new Float32Array(TRAP.features).map(() => (uniform(random) + 1) / 2),
    target: new Float32Array([10]),
  }));
};

const { features: WIDE, neurons: NEURONS } = TRAP;
const BIAS = WIDE * NEURONS;
const OUTPUT = BIAS + NEURONS;

/** Mean gradient of the squared error of sum_j v_j relu(w_j x + b_j). */
const wideGradient: Gradient = (weights, batch) => {
  const sum = new Float32Array(weights.length);
  for (const { features, target } of batch) {
    const hidden = new Float32Array(NEURONS).map((_, j) => {
      let value = weights[BIAS + j]!;
      for (let f = 0; f < WIDE; f += 1) value += features[f]! * weights[f * NEURONS + j]!;
      return Math.max(0, value);
    });
    const error = (dot(hidden, weights.subarray(OUTPUT)) - target[0]!) / batch.length;
    for (let j = 0; j < NEURONS; j += 1) {
      if (hidden[j] === 0) continue;
      const back = error * weights[OUTPUT + j]!;
      for (let f = 0; f < WIDE; f += 1) sum[f * NEURONS + j]! += back * features[f]!;
      sum[BIAS + j]! += back;
      sum[OUTPUT + j]! += error * hidden[j]!;
    }
  }
  return sum;
};

export const wideLearner = (examples: readonly Example[]): Learner =>
  learner({ tensors: TRAP_TENSORS }, examples, wideGradient);

/**
 * Every neuron measures the mean of an example, each with another threshold: neighbours differ by
 * the examples between.
 */
export const trapModel = (): Float32Array<ArrayBuffer> => {
  const weights = new Float32Array(OUTPUT + NEURONS);
  weights.fill(1 / WIDE, 0, BIAS);
  weights.fill(0.01, OUTPUT);
  // Means of 16 uniform numbers: 0.5 with a deviation of 0.072.
  for (let j = 0; j < NEURONS; j += 1) weights[BIAS + j] = -(0.25 + (0.5 * j) / NEURONS);
  return weights;
};

/**
 * What the trap holds after training: the difference of two neighbours is one example, where one
 * fell between them.
 */
export const trapped = (update: Float32Array): Float32Array[] =>
  Array.from({ length: NEURONS - 1 }, (_, j) => {
    const bias = update[BIAS + j]! - update[BIAS + j + 1]!;
    const kernel = (f: number): number => update[f * NEURONS + j]! - update[f * NEURONS + j + 1]!;
    return Float32Array.from({ length: WIDE }, (__, f) => kernel(f) / bias);
  });

/** How many of the examples stand among the found ones, to within a twentieth of their length. */
export const recovered = (found: readonly Float32Array[], examples: readonly Example[]): number =>
  examples.filter(({ features }) =>
    found.some((one) => norm(minus(one, features)) < norm(features) / 20),
  ).length;
