/**
 * @module Scores of predicted classes: accuracy, confusion matrix, precision and recall of each
 * class, cross-entropy, area under the ROC curve (Hanley and McNeil 1982), expected calibration
 * error (Guo et al. 2017). Pure functions over probabilities and labels.
 */
import { FloeError } from '../../protocol/errors.ts';

/** Probabilities of examples, row-major, one row an example. */
export interface ClassPredictions {
  /** `classes` numbers an example, each from 0 to 1. */
  readonly probabilities: ArrayLike<number>;
  /** The true class of each example, 0 .. classes - 1. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
}

export interface ClassScores {
  readonly examples: number;
  /** Fraction that is right. */
  readonly accuracy: number;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** `confusion[truth][prediction]` examples. */
  readonly confusion: readonly (readonly number[])[];
  /** Of each class; undefined where no example was predicted so, or none is of the class. */
  readonly precision: readonly (number | undefined)[];
  readonly recall: readonly (number | undefined)[];
  /**
   * Of the second class where there are two; else the mean over classes of one against the rest.
   * Undefined where the examples are all of one class.
   */
  readonly auc: number | undefined;
  /** Expected calibration error, from 0 to 1. */
  readonly calibration: number;
}

/** As scikit-learn's `log_loss` and Floe's training graph clip. */
const SMALLEST = 1e-30;
/** Bins of equal width, as in Guo et al. 2017. */
export const CALIBRATION_BINS = 15;

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;

const ratio = (part: number, whole: number): number | undefined =>
  whole === 0 ? undefined : part / whole;

/** The first index of the largest value of a row. */
export const largestOf = (values: ArrayLike<number>, from: number, count: number): number => {
  let best = 0;
  for (let j = 1; j < count; j++)
    if ((values[from + j] ?? 0) > (values[from + best] ?? 0)) best = j;
  return best;
};

/**
 * The probability that an example of the class has the higher score than one of the others, ties
 * counted by half.
 *
 * @param scores one an example @param isClass whether example i is of the class
 * @returns undefined unless there is an example of both kinds
 */
export const areaUnderCurve = (
  scores: ArrayLike<number>,
  isClass: (i: number) => boolean,
): number | undefined => {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).toSorted(
    (a, b) => (scores[a] ?? 0) - (scores[b] ?? 0),
  );
  let positives = 0;
  let rankSum = 0;
  for (let at = 0; at < order.length;) {
    let end = at + 1;
    while (end < order.length && scores[order[end] ?? 0] === scores[order[at] ?? 0]) end++;
    // Ranks count from 1; equal scores share the mean of their ranks.
    const rank = (at + 1 + end) / 2;
    for (; at < end; at++)
      if (isClass(order[at] ?? 0)) {
        positives++;
        rankSum += rank;
      }
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
};

/**
 * Mean distance between confidence and accuracy over bins of confidence, weighted by examples.
 *
 * @param confidences of the predicted class, from 0 to 1
 */
export const calibrationError = (
  confidences: ArrayLike<number>,
  isRight: (i: number) => boolean,
  bins = CALIBRATION_BINS,
): number => {
  const sums = Array.from({ length: bins }, () => 0);
  for (let i = 0; i < confidences.length; i++) {
    const confidence = confidences[i] ?? 0;
    // A bin holds its upper bound: (0, 1/bins], ...
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
    sums[bin] = (sums[bin] ?? 0) + confidence - Number(isRight(i));
  }
  const total = sums.reduce((sum, each) => sum + Math.abs(each), 0);
  return confidences.length === 0 ? 0 : total / confidences.length;
};

/** @throws FloeError `data_unfit` without examples, and for a label that is no class */
export const scoreClasses = (given: ClassPredictions): ClassScores => {
  const { probabilities, labels, classes } = given;
  const examples = labels.length;
  if (examples === 0) throw new FloeError('data_unfit', 'the data holds no example');
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  const confidences = new Float64Array(examples);
  const right = new Uint8Array(examples);
  let lossSum = 0;
  let correct = 0;
  for (let i = 0; i < examples; i++) {
    const label = labels[i] ?? -1;
    const row = confusion[label];
    if (row === undefined)
      throw new FloeError(
        'data_unfit',
        `row ${i}: expected a class of 0 to ${classes - 1}, got ${label}`,
        { row: i },
      );
    const predicted = largestOf(probabilities, i * classes, classes);
    row[predicted] = (row[predicted] ?? 0) + 1;
    confidences[i] = probabilities[i * classes + predicted] ?? 0;
    right[i] = Number(predicted === label);
    correct += right[i] ?? 0;
    lossSum -= Math.log(Math.max(probabilities[i * classes + label] ?? 0, SMALLEST));
  }
  const areaOf = (of: number): number | undefined =>
    areaUnderCurve(
      Float64Array.from({ length: examples }, (_, i) => probabilities[i * classes + of] ?? 0),
      (i) => labels[i] === of,
    );
  const areas = classes === 2 ? [areaOf(1)] : confusion.map((_, of) => areaOf(of));
  return {
    examples,
    accuracy: correct / examples,
    loss: lossSum / examples,
    confusion,
    precision: confusion.map((row, of) =>
      ratio(
        row[of] ?? 0,
        confusion.reduce((sum, other) => sum + (other[of] ?? 0), 0),
      ),
    ),
    recall: confusion.map((row, of) =>
      ratio(
        row[of] ?? 0,
        row.reduce((a, b) => a + b, 0),
      ),
    ),
    auc: mean(areas.filter((area) => area !== undefined)),
    calibration: calibrationError(confidences, (i) => right[i] === 1),
  };
};

/** One label of several, on its own. */
export interface LabelScores {
  readonly examples: number;
  /** Fraction of all labels of all examples that is right. */
  readonly accuracy: number;
  /** Mean binary cross-entropy over labels and examples, in nats. */
  readonly loss: number;
  /** Area under the ROC curve of each label; undefined where all examples agree. */
  readonly auc: readonly (number | undefined)[];
}

/**
 * Of labels that are 0 or 1 on their own.
 *
 * @param probabilities `count` an example, row-major, each from 0 to 1 @param labels as many
 * @throws FloeError `data_unfit` without examples
 */
export const scoreLabels = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  count: number,
): LabelScores => {
  const examples = labels.length / count;
  if (examples === 0) throw new FloeError('data_unfit', 'the data holds no example');
  let right = 0;
  let lossSum = 0;
  for (let i = 0; i < labels.length; i++) {
    const [p, y] = [probabilities[i] ?? 0, labels[i] ?? 0];
    if (p > 0.5 === y > 0.5) right++;
    lossSum -= y * Math.log(Math.max(p, SMALLEST)) + (1 - y) * Math.log(Math.max(1 - p, SMALLEST));
  }
  const column = (of: number) =>
    Float64Array.from({ length: examples }, (_, i) => probabilities[i * count + of] ?? 0);
  return {
    examples,
    accuracy: right / labels.length,
    loss: lossSum / labels.length,
    auc: Array.from({ length: count }, (_, of) =>
      areaUnderCurve(column(of), (i) => (labels[i * count + of] ?? 0) > 0.5),
    ),
  };
};
