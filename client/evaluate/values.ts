/**
 * @module Scores of predicted numbers: mean absolute and mean squared error, its root, and the
 * coefficient of determination. Pure functions over predictions and targets, in the targets' units.
 */
import { FloeError } from '../../protocol/errors.ts';

export interface ValueScores {
  readonly mae: number;
  readonly mse: number;
  readonly rmse: number;
  /**
   * 1 - sum of squared errors / sum of squared distances from the mean target. Undefined where all
   * targets are equal.
   */
  readonly r2: number | undefined;
}

/**
 * Of one column.
 *
 * @param predictions row-major, `columns` an example @param targets as many
 * @throws FloeError `data_unfit` without examples
 */
export const scoreValues = (
  predictions: ArrayLike<number>,
  targets: ArrayLike<number>,
  column = 0,
  columns = 1,
): ValueScores => {
  const examples = targets.length / columns;
  if (examples === 0) throw new FloeError('data_unfit', 'the data holds no example');
  const at = (values: ArrayLike<number>, i: number): number => values[i * columns + column] ?? 0;
  let absolute = 0;
  let squares = 0;
  let sum = 0;
  for (let i = 0; i < examples; i++) {
    const error = at(predictions, i) - at(targets, i);
    absolute += Math.abs(error);
    squares += error * error;
    sum += at(targets, i);
  }
  const centre = sum / examples;
  // A second pass: a difference of two large sums would lose its digits.
  let spread = 0;
  for (let i = 0; i < examples; i++) spread += (at(targets, i) - centre) ** 2;
  const mse = squares / examples;
  return {
    mae: absolute / examples,
    mse,
    rmse: Math.sqrt(mse),
    r2: spread === 0 ? undefined : 1 - squares / spread,
  };
};
