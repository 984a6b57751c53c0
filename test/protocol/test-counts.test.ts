/**
 * Counts of held-out examples: declared by the run, made by each site of what its model predicts,
 * summed, and shown as recalls, the area under the curve, the calibration error and the perplexity.
 * The numbers are compared with those of the pooled examples, computed in another way: by ranks and
 * by sorting, without counts.
 */
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { scoreClasses } from '../../client/evaluate/classes.ts';
import { countsOf, LEAST_OF_CLASS } from '../../client/test-counts.ts';
import { testingTrainer } from '../../client/held-out.ts';
import { functionTrainer, type Predictions } from '../../client/trainer.ts';
import {
  extrasOf,
  metricsText,
  reportMetrics,
  type MetricSpec,
  type NamedSum,
} from '../../protocol/algorithm/metrics.ts';
import {
  confusionOf,
  countMetrics,
  isCount,
  type Measure,
} from '../../protocol/algorithm/test-counts.ts';
import { createFold, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { testSpec } from '../support/run.ts';
import { uniform } from './support.ts';

interface Site {
  readonly labels: Int32Array;
  readonly predictions: Predictions;
}

/** Predictions that are right more often for some classes than for others. */
const siteOf = (label: number, size: number, classes: number, task = 'multi-class'): Site => {
  const next = uniform(label);
  const labels = Int32Array.from({ length: size }, () => Math.floor(next() * classes));
  const rows = new Float32Array(size * classes);
  for (const [i, truth] of labels.entries()) {
    const row = Float64Array.from({ length: classes }, () => next());
    row[truth]! += truth / classes;
    const sum = row.reduce((a, b) => a + b, 0);
    for (let j = 0; j < classes; j += 1) rows[i * classes + j] = row[j]! / sum;
  }
  const predictions = { task: task as Predictions['task'], rows, columns: classes, steps: 1 };
  return { labels, predictions };
};

const datasetOf = ({ labels, predictions }: Site) =>
  createDataset({
    features: new Float32Array(labels.length / predictions.steps),
    labels,
    featureShape: [1],
    ...(predictions.steps === 1 ? {} : { labelShape: [predictions.steps] }),
    classes: predictions.columns,
  });

const declared = (measures: readonly Measure[], classes: number): readonly MetricSpec[] =>
  countMetrics({ measures, classes, holdout: 0.2, task: undefined });

/** What the sums over the sites say. */
const summed = (metrics: readonly MetricSpec[], sites: readonly Site[]): readonly NamedSum[] => {
  const counts = sites.map((site) => countsOf(metrics, datasetOf(site), site.predictions));
  return metrics.map(({ name }) => ({
    name,
    sum: counts.reduce((sum, of) => sum + of[name]!, 0),
  }));
};

const shown = (metrics: readonly MetricSpec[], sums: readonly NamedSum[]) =>
  Object.fromEntries(reportMetrics(metrics, sums, 1).map(({ name, value }) => [name, value]));

const pooled = (sites: readonly Site[], classes: number) =>
  scoreClasses({
    probabilities: sites.flatMap(({ predictions }) => [...predictions.rows]),
    labels: sites.flatMap(({ labels }) => [...labels]),
    classes,
  });

describe('counts of classes', () => {
  const sites = [1, 2, 3].map((label) => siteOf(label, 200, 4));

  it.each(['classes', 'confusion'] as const)('%s: the recalls are those of the pool', (measure) => {
    const metrics = declared([measure], 4);
    const sums = summed(metrics, sites);
    const found = shown(metrics, sums);
    const { recall, precision, confusion } = pooled(sites, 4);
    for (const [of, value] of recall.entries())
      expect(found[`testRecall.${of}`]).toBeCloseTo(value!, 12);
    const values = recall.map((value) => value!);
    expect(found['testMeanRecall']).toBeCloseTo(values.reduce((a, b) => a + b, 0) / 4, 12);
    expect(found['testLowestRecall']).toBe(Math.min(...values));
    if (measure === 'classes') return;
    expect(confusionOf(sums)).toEqual(confusion);
    for (const [of, value] of precision.entries())
      expect(found[`testPrecision.${of}`]).toBeCloseTo(value!, 12);
  });

  it('a line shows a few numbers, and the class of the lowest recall', () => {
    const metrics = declared(['confusion'], 4);
    const reported = reportMetrics(metrics, summed(metrics, sites), 1);
    expect(metricsText(reported, 3)).toMatch(
      /^test mean recall 0\.\d{4}, test lowest recall 0\.\d{4} \(class 0\) \(model after round 2\)$/u,
    );
  });

  it('a count has no decimals, a mean keeps them', () => {
    const ill = { name: 'ill', kind: 'sum' as const, value: 221 };
    expect(metricsText([ill, { name: 'trainLoss', kind: 'mean', value: 2 }])).toBe(
      'ill 221, train loss 2.0000',
    );
    // A summary keeps names and values only.
    const ratio = { name: 'trainAccuracy', value: 1 };
    expect(metricsText([{ name: 'ill', value: 221 }, ratio])).toBe(
      'ill 221, train accuracy 1.0000',
    );
  });

  it('a site counts nothing of a class of which it holds out fewer than five examples', () => {
    const labels = Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 2]);
    const rows = new Float32Array(30).map((_, i) => (i % 3 === 1 ? 1 : 0));
    const site = {
      labels,
      predictions: { task: 'multi-class', rows, columns: 3, steps: 1 },
    } as const;
    const metrics = declared(['classes', 'confusion'], 3);
    const counts = countsOf(metrics, datasetOf(site), site.predictions);
    expect(LEAST_OF_CLASS).toBe(5);
    expect(Object.entries(counts).filter(([, value]) => value !== 0)).toEqual([
      ['testConfusion.0.1', 5],
    ]);
    const two = declared(['roc', 'calibration'], 2);
    const few = siteOf(1, 4, 2);
    const none = countsOf(two, datasetOf(few), few.predictions);
    expect(Object.values(none).every((value) => value === 0)).toBe(true);
    expect(shown(two, summed(two, [few]))).toEqual({});
  });
});

describe('histograms', () => {
  it('give the area under the curve within half of the pairs of a bin', () => {
    const sites = [1, 2, 3, 4].map((label) => siteOf(label, 300, 2, 'binary'));
    const metrics = declared(['roc'], 2);
    const { auc } = pooled(sites, 2);
    const found = shown(metrics, summed(metrics, sites))['testAuc']!;
    expect(Math.abs(found - auc!)).toBeLessThan(1 / 64);
    expect(found).toBeGreaterThan(0.6);
  });

  it('give the calibration error of the pooled examples', () => {
    const sites = [5, 6].map((label) => siteOf(label, 400, 3));
    const metrics = declared(['calibration'], 3);
    const { calibration } = pooled(sites, 3);
    expect(shown(metrics, summed(metrics, sites))['testCalibrationError']).toBeCloseTo(
      calibration,
      6,
    );
  });
});

it('tokens give the perplexity, those of the padding left out', () => {
  const next = uniform(9);
  const steps = 5;
  const columns = 7;
  const labels = Int32Array.from({ length: 20 * steps }, (_, i) =>
    i % steps === 4 ? -1 : Math.floor(next() * columns),
  );
  const rows = new Float32Array(labels.length * columns);
  for (let i = 0; i < labels.length; i += 1) {
    const row = Array.from({ length: columns }, () => next() + 0.01);
    const sum = row.reduce((a, b) => a + b, 0);
    for (let j = 0; j < columns; j += 1) rows[i * columns + j] = row[j]! / sum;
  }
  const site: Site = {
    labels,
    predictions: { task: 'sequence', padding: -1, rows, columns, steps },
  };
  const metrics = declared(['perplexity'], columns);
  const logs = [...labels].flatMap((label, i) =>
    label === -1 ? [] : [Math.log2(rows[i * columns + label]!)],
  );
  const wanted = 2 ** -(logs.reduce((a, b) => a + b, 0) / logs.length);
  expect(shown(metrics, summed(metrics, [site, site]))['testPerplexity']).toBeCloseTo(wanted, 8);
});

describe('a run that counts', () => {
  const tensors = [
    { name: 'kernel', shape: [3, 20], dtype: 'float32' as const },
    { name: 'bias', shape: [20], dtype: 'float32' as const },
  ];
  const model = { architecture: 'custom', tensors };

  it('declares a confusion matrix of 20 classes, whose sums come out of a masked sum', async () => {
    const spec = await testSpec({
      model,
      training: { holdout: 0.2, measures: ['confusion', 'calibration'] },
    });
    const counted = spec.metrics.filter(isCount);
    expect(counted).toHaveLength(400 + 45);
    const sites = [1, 2, 3].map((label) => siteOf(label, 400, 20));
    const layout = layoutOf(spec, 3, 10);
    const fold = createFold(layout);
    for (const [i, site] of sites.entries()) {
      const counts = countsOf(spec.metrics, datasetOf(site), site.predictions);
      const { lanes } = encodeUpdate({
        delta: new Float32Array(80).fill(0.001),
        examples: 10,
        metrics: spec.metrics.map(({ name }) => counts[name] ?? 0),
        extras: extrasOf(spec.metrics),
        spec: spec.encoding,
        n: 3,
        rotationSeed: new Uint8Array(32),
        random: seededRandom(new Uint8Array(32).fill(i)),
      });
      fold.add(pack(lanes, layout.modulusBits));
    }
    const { metrics, weight } = finishRound({
      spec,
      n: 3,
      survivors: 3,
      lanes: fold.lanes,
      before: { weights: new Float32Array(80), state: NO_STATE },
      meanExamples: 10,
      rotationSeed: new Uint8Array(32),
    });
    expect(confusionOf(metrics)).toEqual(pooled(sites, 20).confusion);
    const line = metricsText(reportMetrics(spec.metrics, metrics, weight));
    expect(line.length).toBeLessThan(250);
  });

  it.each([
    [{ measures: ['classes' as const] }, model, /measures: expected examples that are held out/u],
    [
      { holdout: 0.2, measures: ['roc' as const] },
      model,
      /measures: roc: expected at most 2 classes, got 20/u,
    ],
    [
      { holdout: 0.2, measures: ['classes' as const], task: { type: 'multi-label' as const } },
      model,
      /measures: classes: expected the task multi-class or binary, got multi-label/u,
    ],
    [
      { holdout: 0.2, measures: ['confusion' as const] },
      {
        architecture: 'custom',
        tensors: [{ name: 'w', shape: [3, 4], dtype: 'float32' as const }],
      },
      /measures: confusion: expected a data contract that names the classes/u,
    ],
  ])('refuses %j', async (training, of, message) => {
    await expect(testSpec({ model: of, training })).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringMatching(message),
    });
  });

  it('needs a trainer that predicts', () => {
    const trainer = functionTrainer({
      manifest: { tensors },
      train: ({ weights }) => ({ weights, examples: 1, lossSum: 0, correct: 0 }),
    });
    expect(() => testingTrainer(trainer, undefined, declared(['classes'], 3))).toThrow(
      expect.objectContaining({ code: 'metric_out_of_range' }),
    );
    expect(() => testingTrainer(trainer, undefined)).not.toThrow();
  });
});
