/**
 * Held-out examples: dealt in the proportions of the classes and the same each time, never trained
 * on, and summed over the sites as if they were pooled.
 */
import { describe, expect, it } from 'vitest';
import { reportMetrics, metricsText, testMetricsOf } from '../../protocol/algorithm/metrics.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';
import { createDataset, rowOf, type Dataset } from '../../client/data/dataset.ts';
import { holdOut } from '../../client/data/holdout.ts';
import { trainerHoldingOut } from '../../client/held-out.ts';
import { functionTrainer } from '../../client/trainer.ts';

const rowsOf = (data: Dataset | undefined): number[] =>
  Array.from({ length: data?.size ?? 0 }, (_, i) => rowOf(data as Dataset, i));

const withLabels = (labels: Int32Array | Float32Array): Dataset =>
  createDataset({
    features: Float32Array.from(labels, (_, i) => i),
    labels,
    featureShape: [1],
    ...(labels instanceof Int32Array ? { classes: Math.max(...labels) + 1 } : {}),
  });

const manifest = { tensors: [{ name: 'w', shape: [1], dtype: 'float32' as const }] };
const REQUEST = {
  weights: new Float32Array([5]),
  round: 1,
  epochs: 1,
  batchSize: 1,
  learningRate: 0.1,
  seed: new Uint8Array(32),
};

describe('holdOut', () => {
  it('holds out each class in proportion, every example in one part, the same each time', () => {
    const labels = Int32Array.from({ length: 100 }, (_, i) => (i < 50 ? 0 : i < 80 ? 1 : 2));
    const { train, test } = holdOut(withLabels(labels), 0.2);
    const counts = [0, 0, 0];
    for (const row of rowsOf(test)) counts[labels[row] ?? 0]!++;
    expect(counts).toEqual([10, 6, 4]);
    expect([...rowsOf(train), ...rowsOf(test)].toSorted((a, b) => a - b)).toEqual([
      ...labels.keys(),
    ]);
    expect(rowsOf(holdOut(withLabels(labels), 0.2).test)).toEqual(rowsOf(test));
  });

  it('leaves the only example of a class to training, and holds out nothing of one example', () => {
    const { train, test } = holdOut(
      withLabels(Int32Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
      0.3,
    );
    expect(test?.size).toBe(3);
    expect(rowsOf(train)).toContain(9);
    const one = holdOut(withLabels(Int32Array.from([0])), 0.5);
    expect([one.train.size, one.test]).toEqual([1, undefined]);
  });

  it('spreads numbers over their range', () => {
    const { test } = holdOut(withLabels(Float32Array.from({ length: 100 }, (_, i) => i)), 0.1);
    const tens = rowsOf(test).map((row) => Math.floor(row / 10));
    expect(tens.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('refuses a fraction of nothing or of everything', () => {
    for (const fraction of [0, 1, Number.NaN])
      expect(() => holdOut(withLabels(Int32Array.from([0, 1])), fraction)).toThrow(/fraction/u);
  });
});

it('a trainer tests the model it begins with, on examples that it does not train on', async () => {
  const data = withLabels(Int32Array.from({ length: 20 }, (_, i) => i % 2));
  const seen: { train?: number[]; test?: number[]; weights?: number[] } = {};
  const trainer = await trainerHoldingOut(data, 0.25, (train) => {
    seen.train = rowsOf(train);
    return functionTrainer({
      manifest,
      train: ({ weights }) => ({
        weights: weights.map((w) => w + 1),
        examples: train.size,
        lossSum: 1,
        correct: 2,
      }),
      evaluate: (weights, test) => {
        seen.test = rowsOf(test);
        seen.weights = [...weights];
        return { examples: test?.size ?? 0, lossSum: 4, correct: 3 };
      },
    });
  });
  const { metrics, weights } = await trainer.train(REQUEST);
  expect([...weights]).toEqual([6]);
  expect(seen.weights).toEqual([5]);
  expect(seen.test?.filter((row) => seen.train?.includes(row))).toEqual([]);
  expect(metrics).toMatchObject({ testExamples: 5, testLoss: 4, testAccuracy: 3 });
});

describe('the metrics of a run that holds out', () => {
  const spec = makeRunSpec({
    id: new Uint8Array(16),
    coordinator: new Uint8Array(32),
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [1], dtype: 'float32' }] },
    training: { holdout: 0.2 },
  });

  it('are declared by its specification, after those of training', () => {
    expect(spec.metrics.map(({ name }) => name)).toEqual([
      'loss',
      'accuracy',
      'testExamples',
      'testLoss',
      'testAccuracy',
    ]);
    expect(testMetricsOf('regression').map(({ name }) => name)).toContain('testMse');
  });

  it('are quotients of sums, as of pooled examples, and named after the model before', () => {
    const sums = spec.metrics.map(({ name }, i) => ({ name, sum: [10, 90, 40, 8, 36][i] ?? 0 }));
    const reported = reportMetrics(spec.metrics, sums, 100);
    expect(reported).toEqual([
      { name: 'trainLoss', kind: 'mean', value: 0.1 },
      { name: 'trainAccuracy', kind: 'mean', value: 0.9 },
      { name: 'testExamples', kind: 'sum', value: 40 },
      { name: 'testLoss', kind: 'mean', value: 0.2 },
      { name: 'testAccuracy', kind: 'mean', value: 0.9 },
    ]);
    expect(metricsText(reported, 5)).toBe(
      'train loss 0.1000, train accuracy 0.9000; test loss 0.2000, test accuracy 0.9000 ' +
        'on 40 held-out examples (model after round 4)',
    );
  });

  it('say nothing of a test where nobody held an example out', () => {
    const sums = spec.metrics.map(({ name }) => ({ name, sum: 0 }));
    const names = reportMetrics(spec.metrics, sums, 1).map(({ name }) => name);
    expect(names).toEqual(['trainLoss', 'trainAccuracy', 'testExamples']);
  });
});
