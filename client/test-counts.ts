/**
 * @module Counts of a site's held-out examples, from what a model predicts for them: see
 * `protocol/algorithm/test-counts.ts`. Everybody who opens the sum of a round sees its counts, so a
 * site with fewer than five examples of a class sends 0 for it: no count of a class is of fewer.
 * The number of all held-out examples is known too, so those that are left out are at least five.
 */
import {
  CONFIDENCE_BINS,
  MOST_CONFUSED,
  ROC_BINS,
  countNames,
  isCount,
} from '../protocol/algorithm/test-counts.ts';
import { FloeError } from '../protocol/errors.ts';
import { largestOf } from './evaluate/classes.ts';
import type { Dataset } from './data/dataset.ts';
import { rowOf } from './data/dataset.ts';
import type { Predictions } from './trainer.ts';

/** Held-out examples of one class that a site counts, at least. */
export const LEAST_OF_CLASS = 5;
/** As the loss of training clips. */
const SMALLEST = 1e-30;

type Counts = Map<string, number>;

const addTo = (counts: Counts, name: string, more = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + more);
};

/** The bin of a number in [0, 1]; a bin holds its upper bound: (0, 1/bins], ... */
const binOf = (value: number, bins: number): number =>
  Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1));

/** The labels of the rows of the predictions, in their order. */
const labelsOf = (data: Dataset, steps: number): Int32Array =>
  Int32Array.from(
    { length: data.size * steps },
    (_, i) => data.labels[rowOf(data, Math.floor(i / steps)) * steps + (i % steps)]!,
  );

/** Whether so many examples of a class may be counted. */
const isEnough = (examples: number): boolean => examples >= LEAST_OF_CLASS;

/**
 * The classes that a site counts. All held-out examples less those that are counted are none or
 * enough: further classes are left out for that, the smallest first.
 *
 * @param totals examples of each class
 */
const countedClasses = (totals: ReadonlyMap<number, number>): ReadonlySet<number> => {
  const counted = [...totals]
    .filter(([, examples]) => isEnough(examples))
    .toSorted(([a, ofA], [b, ofB]) => ofA - ofB || a - b);
  let left = 0;
  for (const examples of totals.values()) if (!isEnough(examples)) left += examples;
  while (left > 0 && !isEnough(left)) {
    const next = counted.shift();
    if (next === undefined) break;
    left += next[1];
  }
  return new Set(counted.map(([label]) => label));
};

/** Counts of one class of several an example. */
const countClasses = ({ rows, columns }: Predictions, labels: Int32Array, counts: Counts): void => {
  const totals = new Map<number, number>();
  for (const label of labels) totals.set(label, (totals.get(label) ?? 0) + 1);
  const counted = countedClasses(totals);
  const twoClasses = counted.has(0) && counted.has(1);
  const isMeasured = isEnough(labels.length);
  for (const [i, label] of labels.entries()) {
    const predicted = largestOf(rows, i * columns, columns);
    const confidence = rows[i * columns + predicted]!;
    if (isMeasured) {
      const bin = binOf(confidence, CONFIDENCE_BINS);
      addTo(counts, countNames.binTotal(bin));
      addTo(counts, countNames.binSum(bin), confidence);
      if (predicted === label) addTo(counts, countNames.binCorrect(bin));
    }
    if (columns === 2 && twoClasses) {
      const bin = binOf(rows[i * columns + 1]!, ROC_BINS);
      addTo(counts, label === 1 ? countNames.positive(bin) : countNames.negative(bin));
    }
    if (!counted.has(label)) continue;
    addTo(counts, countNames.total(label));
    if (predicted === label) addTo(counts, countNames.correct(label));
    if (label < MOST_CONFUSED && predicted < MOST_CONFUSED)
      addTo(counts, countNames.confusion(label, predicted));
  }
};

const countTokens = (
  { rows, columns, padding }: Predictions,
  labels: Int32Array,
  counts: Counts,
): void => {
  for (const [i, label] of labels.entries()) {
    if (label === padding) continue;
    addTo(counts, countNames.tokens);
    const probability = Math.max(rows[i * columns + label] ?? 0, SMALLEST);
    addTo(counts, countNames.tokenLoss, -Math.log(probability));
  }
};

/**
 * What a run declares, of one site: 0 for what there is too little of.
 *
 * @param declared metrics of the specification
 * @param predictions undefined where nothing was held out
 * @throws FloeError `metric_out_of_range` for a model that does not predict classes
 */
export const countsOf = (
  declared: readonly { readonly name: string }[],
  test: Dataset | undefined,
  predictions: Predictions | undefined,
): Readonly<Record<string, number>> => {
  const counts: Counts = new Map();
  const names = declared.filter(isCount).map(({ name }) => name);
  if (test !== undefined && predictions !== undefined && names.length > 0) {
    const { task, steps } = predictions;
    if (task === 'regression' || task === 'multi-label')
      throw new FloeError(
        'metric_out_of_range',
        `metric ${names[0]}: expected a task with one class an example, got ${task}`,
        { metric: names[0]! },
      );
    const labels = labelsOf(test, steps);
    if (task === 'sequence') countTokens(predictions, labels, counts);
    else countClasses(predictions, labels, counts);
  }
  return Object.fromEntries(names.map((name) => [name, counts.get(name) ?? 0]));
};
