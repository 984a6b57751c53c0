/**
 * @module Losses as numbers, from a model's outputs: summed over the examples, with the metrics of
 * the task; and their gradients by the outputs in closed form. In float64, so that a sum does not
 * depend on the size of the batch.
 */
import type { Task } from '../task.ts';

/** The meaning of a model's outputs for the loss: logits, probabilities, or predicted values. */
export type OutputKind = 'probabilities' | 'logits' | 'values';

/** The parameters of a loss: the task, and the outputs of one example. */
export interface LossSpec {
  readonly task: Required<Task>;
  readonly outputs: OutputKind;
  /** Numbers that one example gives: classes, labels, values, or steps x classes. */
  readonly width: number;
  /** Numbers of one label's row: the classes of a token, else `width`. */
  readonly columns: number;
  /** Of `multi-class` and `binary`: the loss of an example of class k counts weights[k] times. */
  readonly weights?: readonly number[];
}

export interface Score {
  /** Sum over the examples of their losses. */
  readonly lossSum: number;
  /**
   * Examples classified correctly; of labels or tokens the fraction that is right, summed over the
   * examples. 0 for regression.
   */
  readonly correct: number;
  /** Of regression: sums over the examples of the mean absolute and the mean squared error. */
  readonly absoluteSum: number;
  readonly squareSum: number;
}

export const NO_SCORE: Score = { lossSum: 0, correct: 0, absoluteSum: 0, squareSum: 0 };

export const addScores = (a: Score, b: Score): Score => ({
  lossSum: a.lossSum + b.lossSum,
  correct: a.correct + b.correct,
  absoluteSum: a.absoluteSum + b.absoluteSum,
  squareSum: a.squareSum + b.squareSum,
});

export const scaleScore = (score: Score, factor: number): Score => ({
  lossSum: score.lossSum * factor,
  correct: score.correct * factor,
  absoluteSum: score.absoluteSum * factor,
  squareSum: score.squareSum * factor,
});

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

const logOf = (p: number): number => Math.log(Math.max(p, SMALLEST_PROBABILITY));

/** Cross-entropy of the class `label`. */
const classLoss = (outputs: OutputKind, row: Float32Array, label: number): number => {
  const value = row[label] ?? 0;
  return outputs === 'logits' ? logSumExp(row) - value : -logOf(value);
};

/** Binary cross-entropy of the label `y`, from 0 to 1; each of both classes by its weight. */
const binaryLoss = (
  outputs: OutputKind,
  value: number,
  y: number,
  [no, yes]: readonly number[] = [1, 1],
): number => {
  const [toNo, toYes] = [(no ?? 1) * (1 - y), (yes ?? 1) * y];
  if (outputs !== 'logits') return -(toYes * logOf(value) + toNo * logOf(1 - value));
  const softplus = Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
  return (toNo + toYes) * softplus - toYes * value;
};

const scoreLabels = (
  { outputs, weights }: LossSpec,
  row: Float32Array,
  labels: ArrayLike<number>,
): Score => {
  let lossSum = 0;
  let right = 0;
  const half = outputs === 'logits' ? 0 : 0.5;
  for (const [j, value] of row.entries()) {
    const y = labels[j] ?? 0;
    lossSum += binaryLoss(outputs, value, y, weights);
    if (value > half === y > 0.5) right++;
  }
  return { ...NO_SCORE, lossSum: lossSum / row.length, correct: right / row.length };
};

const scoreTokens = (spec: LossSpec, row: Float32Array, labels: ArrayLike<number>): Score => {
  const padding = paddingOf(spec.task);
  let lossSum = 0;
  let right = 0;
  let count = 0;
  for (let t = 0; t < labels.length; t++) {
    const label = labels[t] ?? 0;
    if (label === padding) continue;
    const token = row.subarray(t * spec.columns, (t + 1) * spec.columns);
    lossSum += classLoss(spec.outputs, token, label);
    if (argMax(token) === label) right++;
    count++;
  }
  return count === 0 ? NO_SCORE : { ...NO_SCORE, lossSum: lossSum / count, correct: right / count };
};

const scoreValues = (
  task: Required<Task>,
  row: Float32Array,
  targets: ArrayLike<number>,
): Score => {
  const { loss, delta } = task.type === 'regression' ? task : { loss: 'squared', delta: 1 };
  let squareSum = 0;
  let absoluteSum = 0;
  let huberSum = 0;
  for (const [j, value] of row.entries()) {
    const d = Math.abs(value - (targets[j] ?? 0));
    squareSum += d ** 2;
    absoluteSum += d;
    const inner = Math.min(d, delta);
    huberSum += inner * (d - inner / 2);
  }
  const lossSum = loss === 'squared' ? squareSum : loss === 'absolute' ? absoluteSum : huberSum;
  const n = row.length;
  return {
    lossSum: lossSum / n,
    correct: 0,
    absoluteSum: absoluteSum / n,
    squareSum: squareSum / n,
  };
};

const paddingOf = (task: Required<Task>): number | undefined =>
  task.type === 'sequence' ? task.padding : undefined;

/** `outputs` row-major; `labels` as the data has them, the same number for each row. */
export const score = (
  spec: LossSpec,
  outputs: Float32Array,
  labels: Int32Array | Float32Array,
  rows: number,
): Score => {
  const perRow = labels.length / rows;
  let total = NO_SCORE;
  for (let i = 0; i < rows; i++) {
    const row = outputs.subarray(i * spec.width, (i + 1) * spec.width);
    const own = labels.subarray(i * perRow, (i + 1) * perRow);
    switch (spec.task.type) {
      case 'multi-class': {
        const label = own[0] ?? 0;
        const lossSum = (spec.weights?.[label] ?? 1) * classLoss(spec.outputs, row, label);
        total = addScores(total, {
          ...NO_SCORE,
          lossSum,
          correct: Number(argMax(row) === label),
        });
        break;
      }
      case 'binary':
      case 'multi-label':
        total = addScores(total, scoreLabels(spec, row, own));
        break;
      case 'sequence':
        total = addScores(total, scoreTokens(spec, row, own));
        break;
      case 'regression':
        total = addScores(total, scoreValues(spec.task, row, own));
    }
  }
  return total;
};

/**
 * The targets of a batch, `width` numbers an example: classes as their weight, which is 1 without
 * weights; tokens as a single
 * number each, one over the tokens of their example that count, and zeros for padding; the labels
 * themselves for other tasks.
 */
export const targetsOf = (
  { task, width, columns, weights }: LossSpec,
  labels: ArrayLike<number>,
  rows: number,
): Float32Array => {
  if (task.type !== 'multi-class' && task.type !== 'sequence') return Float32Array.from(labels);
  const values = new Float32Array(rows * width);
  const steps = width / columns;
  const padding = paddingOf(task);
  for (let i = 0; i < rows; i++) {
    let count = 0;
    for (let t = 0; t < steps; t++) if (labels[i * steps + t] !== padding) count++;
    for (let t = 0; t < steps; t++) {
      const label = labels[i * steps + t] ?? 0;
      if (label !== padding)
        values[(i * steps + t) * columns + label] = (weights?.[label] ?? 1) / count;
    }
  }
  return values;
};

/** The gradient of one output's loss by that output. */
const slopeOf = ({ task, outputs }: LossSpec, value: number, y: number): number => {
  if (task.type !== 'regression') {
    if (outputs === 'logits') return 1 / (1 + Math.exp(-value)) - y;
    return (value - y) / Math.max(value * (1 - value), SMALLEST_PROBABILITY);
  }
  const d = value - y;
  if (task.loss === 'squared') return 2 * d;
  return task.loss === 'absolute' ? Math.sign(d) : Math.max(-task.delta, Math.min(d, task.delta));
};

/**
 * The gradient of a batch's mean loss by its outputs, written over them: of tasks whose outputs
 * count each on its own (`binary`, `multi-label`, `regression`), without weights of classes.
 */
export const gradientInto = (
  spec: LossSpec,
  outputs: Float32Array,
  labels: ArrayLike<number>,
): void => {
  for (const [i, value] of outputs.entries())
    outputs[i] = slopeOf(spec, value, labels[i] ?? 0) / outputs.length;
};
