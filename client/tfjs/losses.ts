/**
 * @module Losses as numbers, from a model's outputs: summed over the examples, with how many were
 * classified correctly. In float64, so that the sum does not depend on the size of the batch.
 */

/**
 * `crossEntropy` takes classes, `meanSquaredError` targets (mean over the outputs of an example).
 */
export type Loss = 'crossEntropy' | 'meanSquaredError';

/** What a model's outputs are: probabilities (it ends in softmax), logits, or values. */
export type OutputKind = 'probabilities' | 'logits' | 'values';

export interface Score {
  readonly lossSum: number;
  readonly correct: number;
}

/** The smallest probability that counts in a logarithm, as in the training graph. */
export const SMALLEST_PROBABILITY = 1e-30;

const argMax = (row: Float32Array): number => {
  let best = 0;
  for (let j = 1; j < row.length; j++) if ((row[j] ?? 0) > (row[best] ?? 0)) best = j;
  return best;
};

const logSumExp = (row: Float32Array): number => {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
};

/** `outputs` row-major; `labels` one class a row, or as many targets as outputs. */
export const score = (
  kind: OutputKind,
  outputs: Float32Array,
  labels: Int32Array | Float32Array,
  rows: number,
): Score => {
  const width = outputs.length / rows;
  let lossSum = 0;
  let correct = 0;
  for (let i = 0; i < rows; i++) {
    const row = outputs.subarray(i * width, (i + 1) * width);
    if (kind === 'values') {
      let squares = 0;
      for (let j = 0; j < width; j++)
        squares += ((row[j] ?? 0) - (labels[i * width + j] ?? 0)) ** 2;
      lossSum += squares / width;
      continue;
    }
    const label = labels[i] ?? 0;
    const value = row[label] ?? 0;
    lossSum +=
      kind === 'logits' ? logSumExp(row) - value : -Math.log(Math.max(value, SMALLEST_PROBABILITY));
    if (argMax(row) === label) correct++;
  }
  return { lossSum, correct };
};
