/**
 * @module Poisoned examples: flipped labels, and images with the trigger of a backdoor. The same
 * functions make what attackers train on and what measures their success on the test set.
 */
import { type Dataset, featureLength, labelLength, rowOf } from '../../client/data/dataset.ts';
import { FloeError } from '../../protocol/errors.ts';

/** The side of the trigger, in pixels (Bagdasaryan et al. 2020; Gu et al. 2017). */
export const TRIGGER = 3;

/** @throws FloeError `usage` where the examples have no single class each */
const requireClasses = (data: Dataset, what: string): number => {
  if (data.classes === undefined || labelLength(data) !== 1)
    throw new FloeError('usage', `--attack: ${what} needs examples of one class each`);
  return data.classes;
};

/** @throws FloeError `usage` where the examples are no images that hold the trigger */
const requireImages = ({ featureShape: [height = 0, width = 0, ...rest] }: Dataset): void => {
  if (rest.length !== 1 || height < TRIGGER || width < TRIGGER)
    throw new FloeError(
      'usage',
      `--attack: backdoor needs images of at least ${TRIGGER} x ${TRIGGER} pixels`,
    );
};

/** What an attack wants of the model: its success is the accuracy on these examples. */
export type AttackGoal =
  { readonly type: 'label-flip' } | { readonly type: 'backdoor'; readonly target: number };

/** @throws FloeError `usage` where the examples do not allow the attack */
export const checkGoal = (goal: AttackGoal, data: Dataset): void => {
  const classes = requireClasses(data, goal.type);
  if (goal.type === 'label-flip') return;
  requireImages(data);
  if (!Number.isInteger(goal.target) || goal.target < 0 || goal.target >= classes)
    throw new FloeError(
      'usage',
      `--attack: backdoor: expected a target from 0 to ${classes - 1}, got ${goal.target}`,
    );
};

/** Copies the rows `chosen` of a view; labels by `relabel`. */
const copyRows = (
  data: Dataset,
  chosen: readonly number[],
  relabel: (label: number) => number,
): Dataset => {
  const { indices: _, ...rest } = data;
  const width = featureLength(data);
  const Features = data.features.constructor as new (length: number) => Float32Array;
  const features = new Features(chosen.length * width);
  const labels = new Int32Array(chosen.length);
  for (const [i, at] of chosen.entries()) {
    const row = rowOf(data, at);
    features.set(data.features.subarray(row * width, (row + 1) * width), i * width);
    labels[i] = relabel(data.labels[row] as number);
  }
  return { ...rest, features, labels, size: chosen.length };
};

const all = ({ size }: Dataset): readonly number[] => Array.from({ length: size }, (_, i) => i);

/** Label y becomes C - 1 - y; features are not copied. */
export const flipLabels = (data: Dataset): Dataset => {
  const classes = requireClasses(data, 'label-flip');
  const labels = Int32Array.from(data.labels, (label) => classes - 1 - label);
  return { ...data, labels };
};

/** Sets the last 3 x 3 pixels of the images `from` ... to the brightest value, in place. */
const stamp = ({ features, featureShape, size }: Dataset, from = 0): void => {
  const [height = 0, width = 0, channels = 1] = featureShape;
  const full = features instanceof Uint8Array ? 255 : 1;
  for (let i = from; i < size; i += 1)
    for (let y = height - TRIGGER; y < height; y += 1)
      for (let x = width - TRIGGER; x < width; x += 1) {
        const at = ((i * height + y) * width + x) * channels;
        features.fill(full, at, at + channels);
      }
};

/** The examples, and after them the first `fraction` of them with the trigger and its class. */
export const poisoned = (data: Dataset, target: number, fraction: number): Dataset => {
  checkGoal({ type: 'backdoor', target }, data);
  const count = Math.max(1, Math.round(fraction * data.size));
  const own = copyRows(data, [...all(data), ...all(data).slice(0, count)], (label) => label);
  stamp(own, data.size);
  own.labels.fill(target, data.size);
  return own;
};

/** Examples on which the accuracy is the success of an attack. */
export const goalExamples = (goal: AttackGoal, test: Dataset): Dataset => {
  checkGoal(goal, test);
  if (goal.type === 'label-flip') return flipLabels(test);
  // Examples of the target itself would be successes without any attack.
  const others = all(test).filter((i) => test.labels[rowOf(test, i)] !== goal.target);
  const own = copyRows(test, others, () => goal.target);
  stamp(own);
  return own;
};
