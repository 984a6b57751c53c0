/**
 * A site sends no count of a class of which it has few examples. The sum of the classes that it
 * does count, subtracted from what the run publishes of all held-out examples, would give that
 * count: how many there are, and whether the model gets the only one right.
 */
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { countsOf, LEAST_OF_CLASS } from '../../client/test-counts.ts';
import { HELD_OUT } from '../../protocol/algorithm/metrics.ts';
import { countMetrics, countNames, type Measure } from '../../protocol/algorithm/test-counts.ts';

const FEW = 2;

/** What a site sends: this many held-out examples of each class, of which all are right. */
const sent = (
  sizes: readonly number[],
  measures: readonly Measure[],
): Readonly<Record<string, number>> => {
  const classes = sizes.length;
  const labels = Int32Array.from(sizes.flatMap((size, of) => Array<number>(size).fill(of)));
  const rows = new Float32Array(labels.length * classes);
  for (const [i, label] of labels.entries()) rows[i * classes + label] = 1;
  const test = createDataset({
    features: new Float32Array(labels.length),
    labels,
    featureShape: [1],
    classes,
  });
  const declared = countMetrics({ measures, classes, holdout: 0.2, task: undefined });
  const counts = countsOf(declared, test, {
    task: 'multi-class',
    rows,
    columns: classes,
    steps: 1,
  });
  // As the trainer of a run with held-out examples sends it beside the counts.
  return { ...counts, [HELD_OUT]: labels.length };
};

/** Held-out examples, and those that are right, of the classes that the site does not count. */
const left = (found: Readonly<Record<string, number>>, measure: Measure, classes: number) => {
  const each = Array.from({ length: classes }, (_, of) =>
    measure === 'classes'
      ? (found[countNames.total(of)] ?? 0)
      : Array.from({ length: classes }, (_unused, to) => found[countNames.confusion(of, to)]!),
  ).flat();
  return found[HELD_OUT]! - each.reduce((a, b) => a + b, 0);
};

describe.each(['classes', 'confusion'] as const)('%s: what is not counted', (measure) => {
  it.each([
    ['one example of one class', [30, 12, 1]],
    ['one of two classes', [40, 1]],
    ['two classes of two', [20, 2, 9, 2]],
    ['the smallest one that counts is too few as well', [5, 1]],
    ['few in all', [2, 1, 1]],
  ])('%s is no small number by subtraction', (_, sizes) => {
    const found = sent(sizes, [measure]);
    const rest = left(found, measure, sizes.length);
    const total = sizes.reduce((a, b) => a + b, 0);
    // Fewer than five in all are told by the number of held-out examples itself.
    if (total < LEAST_OF_CLASS) expect(rest).toBe(total);
    else expect(rest === 0 || rest >= LEAST_OF_CLASS).toBe(true);
  });

  it('no more classes are left out than that takes', () => {
    const found = sent([30, 12, 9, 3, FEW], [measure]);
    expect(left(found, measure, 5)).toBe(3 + FEW);
    expect(left(sent([30, 12, 9], [measure]), measure, 3)).toBe(0);
    expect(left(sent([30, 12, 9, 1], [measure]), measure, 4)).toBe(9 + 1);
  });
});
