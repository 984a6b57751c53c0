/**
 * @module Checks a participant's examples before the first round: whether they fit the model, and
 * what their owner should know about them, such as missing classes, constant features, and the
 * range of values.
 */
import { FloeError, type ErrorDetails } from '../../protocol/errors.ts';
import { someOf } from '../../protocol/spec/describe-contract.ts';
import { type Task, type TaskType, makeTask } from '../task.ts';
import { type Dataset, featureLength, labelLength, rowOf } from './dataset.ts';

/** Input and output of the model; `null` in the shape matches any size. */
export interface ModelShape {
  readonly inputShape: readonly (number | null)[];
  /** Width of the model's output: classes, labels or values. */
  readonly outputs: number;
  readonly task: Task | TaskType;
  /** Tokens of an example, of the task `sequence`. */
  readonly steps?: number;
}

export interface PreflightReport {
  readonly examples: number;
  /**
   * Examples of each class, of `sequence` tokens; of `multi-label` the examples that have the
   * label. Absent for regression.
   */
  readonly histogram?: readonly number[];
  readonly minimum: number;
  readonly maximum: number;
  /** Features with the same value in every example. */
  readonly constantFeatures: number;
  /** Worth a look, but no reason to refuse. */
  readonly warnings: readonly string[];
}

interface Checked extends Omit<ModelShape, 'task'> {
  readonly task: Required<Task>;
}

/** @param row from 0 over the whole file; people count from 1 */
const unfit = (message: string, row?: number, details: ErrorDetails = {}): FloeError =>
  row === undefined
    ? new FloeError('data_unfit', message, details)
    : new FloeError('data_unfit', `row ${row + 1}: ${message}`, { row: row + 1, ...details });

const checkShape = (data: Dataset, { inputShape, outputs, steps, task }: Checked): void => {
  const fits =
    data.featureShape.length === inputShape.length &&
    inputShape.every((size, i) => size === null || size === data.featureShape[i]);
  if (!fits)
    throw unfit(
      `the model takes examples of shape [${inputShape.map((size) => size ?? 'any').join(', ')}], ` +
        `the data has [${data.featureShape.join(', ')}]`,
    );
  if (data.size === 0) throw unfit('the data holds no example');
  const classes = data.labels instanceof Int32Array;
  const length = labelLength(data);
  const expected = task.type === 'sequence' ? steps : task.type === 'multi-class' ? 1 : outputs;
  if ((task.type === 'multi-class' || task.type === 'sequence') && !classes)
    throw unfit(
      `the task ${task.type} needs ${task.type === 'sequence' ? 'a class for each token' : 'one class an example'} ` +
        '(Int32Array), got float targets',
    );
  if (length !== expected)
    throw unfit(
      `the model gives ${expected} ${WORD[task.type]} an example, the data has ${length} ${WORD[task.type]}`,
    );
};

/** The name of an example's label for the task. */
const WORD: Readonly<Record<TaskType, string>> = {
  'multi-class': 'class',
  binary: 'label',
  'multi-label': 'labels',
  regression: 'targets',
  sequence: 'tokens',
};

/** Classes of examples or tokens; of `binary`, 0 and 1. */
const countClasses = (data: Dataset, classes: number, padding: number | undefined): number[] => {
  const histogram = Array.from({ length: classes }, () => 0);
  const width = labelLength(data);
  for (let i = 0; i < data.size; i++) {
    const row = rowOf(data, i);
    for (let j = 0; j < width; j++) {
      const label = data.labels[row * width + j] ?? NaN;
      if (label === padding) continue;
      if (!(label >= 0 && label < classes))
        throw unfit(`expected a label of 0 to ${classes - 1}, got ${label}`, row, { label });
      histogram[label] = (histogram[label] ?? 0) + 1;
    }
  }
  return histogram;
};

/** Of labels that are probabilities: how many examples have each. */
const countLabels = (data: Dataset): number[] => {
  const width = labelLength(data);
  const histogram = Array.from({ length: width }, () => 0);
  for (let i = 0; i < data.size; i++) {
    const row = rowOf(data, i);
    for (let j = 0; j < width; j++) {
      const label = data.labels[row * width + j] ?? NaN;
      if (!(label >= 0 && label <= 1))
        throw unfit(`expected labels from 0 to 1, got ${label}`, row);
      if (label > 0.5) histogram[j] = (histogram[j] ?? 0) + 1;
    }
  }
  return histogram;
};

const histogramOf = (data: Dataset, { task, outputs }: Checked): number[] | undefined => {
  switch (task.type) {
    case 'multi-class':
      return countClasses(data, outputs, undefined);
    case 'sequence':
      return countClasses(data, outputs, task.padding);
    case 'binary':
      return data.labels instanceof Int32Array
        ? countClasses(data, 2, undefined)
        : countLabels(data);
    case 'multi-label':
      return countLabels(data);
    case 'regression':
      return undefined;
  }
};

const checkTargets = (data: Dataset): void => {
  const width = labelLength(data);
  for (let i = 0; i < data.size; i++) {
    const row = rowOf(data, i);
    const bad = data.labels
      .subarray(row * width, (row + 1) * width)
      .find((v) => !Number.isFinite(v));
    if (bad !== undefined) throw unfit(`the target is ${bad}`, row);
  }
};

interface Range {
  readonly minimum: number;
  readonly maximum: number;
  /** The feature that is furthest from 0. */
  readonly largest: number;
  readonly constant: readonly number[];
}

const nameOf = ({ featureNames }: Dataset, feature: number): string =>
  featureNames?.[feature] ?? String(feature);

const scanFeatures = (data: Dataset): Range => {
  const width = featureLength(data);
  const first = rowOf(data, 0) * width;
  const scale = data.features instanceof Uint8Array ? 255 : 1;
  const varies = new Uint8Array(width);
  let minimum = Infinity;
  let maximum = -Infinity;
  let furthest = -1;
  let largest = 0;
  for (let i = 0; i < data.size; i++) {
    const at = rowOf(data, i) * width;
    for (let j = 0; j < width; j++) {
      const value = data.features[at + j] ?? NaN;
      if (!Number.isFinite(value)) {
        const column = nameOf(data, j);
        throw unfit(
          `column ${column} is ${value}; a data contract says what stands for a missing value ("missing": a number, or "zeros" of a category)`,
          at / width,
          { column },
        );
      }
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
      if (Math.abs(value) > furthest) {
        furthest = Math.abs(value);
        largest = j;
      }
      if (value !== data.features[first + j]) varies[j] = 1;
    }
  }
  minimum /= scale;
  maximum /= scale;
  const constant = Array.from(varies, (of, j) => (of === 0 ? j : -1)).filter((j) => j >= 0);
  return { minimum, maximum, largest, constant };
};

/**
 * Checks the examples against the model. Rows are counted from 1 over the whole file or array, also
 * in a subset.
 * @throws FloeError `data_unfit` with the first offending row
 */
export const preflight = (data: Dataset, model: ModelShape): PreflightReport => {
  const checked: Checked = { ...model, task: makeTask(model.task) };
  checkShape(data, checked);
  const histogram = histogramOf(data, checked);
  if (histogram === undefined) checkTargets(data);
  const { minimum, maximum, largest: furthest, constant } = scanFeatures(data);
  const warnings: string[] = [];
  const missing = histogram?.flatMap((count, label) => (count === 0 ? [label] : [])) ?? [];
  if (missing.length > 0) warnings.push(`no example of class ${missing.join(', ')}`);
  if (constant.length === featureLength(data) && data.size > 1)
    warnings.push('every feature is constant');
  // Pixels at the edge of images have no names, and are constant in most data sets.
  else if (constant.length > 0 && data.size > 1 && data.featureNames !== undefined)
    warnings.push(`the same in every example: ${someOf(constant.map((j) => nameOf(data, j)))}`);
  const largest = Math.max(Math.abs(minimum), Math.abs(maximum));
  if (largest > 100)
    warnings.push(
      `features reach ${largest} (column ${nameOf(data, furthest)}): scale them, as a data contract does, or training may not converge`,
    );
  return {
    examples: data.size,
    ...(histogram === undefined ? {} : { histogram }),
    minimum,
    maximum,
    constantFeatures: constant.length,
    warnings,
  };
};
