/**
 * What travels of a model with batch normalisation and a frozen layer: over 25 masked rounds no
 * variance is negative, the frozen layer keeps every bit, and the accuracy is that of a plain
 * average in floats, which this test computes by itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Tfjs from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDataset, openRun, type Dataset } from '../../client/index.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { unflatten } from '../../protocol/model/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { simulate } from '../../sim/index.ts';

const SITES = 3;
/** Local batches of ten make single rounds waver; so the last ones are averaged. */
const LAST = 8;
const ROUNDS = 26;
const TRAINING = { epochs: 1, batchSize: 10, learningRate: 0.05 } as const;

/** Points of three classes whose features differ in scale by a factor of 30: variances differ. */
const points = (size: number, label: number): Dataset => {
  const bytes = seededRandom(new Uint8Array(32).fill(label))(size * 9);
  const labels = Int32Array.from({ length: size }, (_, i) => bytes[i * 9]! % 3);
  const features = new Float32Array(size * 4);
  for (let i = 0; i < size; i += 1)
    for (let j = 0; j < 4; j += 1) {
      const noise = (bytes[i * 9 + 1 + j]! + bytes[i * 9 + 5 + j]!) / 255 - 1;
      const centre = Math.sin(labels[i]! * 2.1 + j);
      features[i * 4 + j] = (centre + noise) * (j === 3 ? 30 : 1 + j);
    }
  return createDataset({ features, featureShape: [4], labels, classes: 3 });
};

const model = (tf: typeof Tfjs): Tfjs.LayersModel =>
  tf.sequential({
    layers: [
      tf.layers.dense({ name: 'frozen', units: 12, inputShape: [4], trainable: false }),
      tf.layers.batchNormalization({ name: 'norm', momentum: 0.9 }),
      tf.layers.dense({ name: 'hidden', units: 12, activation: 'relu' }),
      tf.layers.batchNormalization({ name: 'norm2', momentum: 0.9 }),
      tf.layers.dense({ name: 'output', units: 3, activation: 'softmax' }),
    ],
  });

const meanOf = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b) / values.length;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-statistics-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('masked, over 26 rounds: variances, a frozen layer, accuracy of the float average', async () => {
  const train = points(SITES * 40, 1);
  const test = points(600, 2);
  const result = await simulate({
    ...TRAINING,
    participants: SITES,
    cohort: SITES,
    rounds: ROUNDS,
    workers: 1,
    substrate: 'local',
    backend: 'cpu',
    baseline: false,
    data: { train, test },
    model,
    outDir: join(folder, 'runs'),
  });
  expect(result.summary).toMatchObject({ rounds: ROUNDS, attemptsAborted: 0 });
  await using opened = await openRun(result.folder, { journalLedger: readJournalLedger });
  expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
  const { spec } = opened;
  const { weights } = await opened.pull();

  const roles = Object.fromEntries(spec.model.tensors.map(({ name, role }) => [name, role]));
  expect(roles).toMatchObject({
    'frozen/kernel': 'frozen',
    'frozen/bias': 'frozen',
    'norm/moving_mean': 'statistic',
    'norm/moving_variance': 'variance',
    'norm2/moving_variance': 'variance',
  });
  const first = unflatten(spec.model, initialModel(spec.model));
  const last = unflatten(spec.model, weights);
  for (const name of ['frozen/kernel', 'frozen/bias'])
    expect(last.get(name)).toEqual(first.get(name));
  for (const name of ['hidden/kernel', 'norm/moving_mean', 'norm/moving_variance'])
    expect(last.get(name)).not.toEqual(first.get(name));
  for (const name of ['norm/moving_variance', 'norm2/moving_variance'])
    expect(Math.min(...last.get(name)!)).toBeGreaterThan(0);

  // The independent path: the same rounds, averaged in float64, without encoding and masks.
  const trainer = await tfjsTrainer({ model, data: train, backend: { prefer: 'cpu' } });
  const part = (site: number): Dataset => {
    const [from, to] = [site * 40, (site + 1) * 40];
    return createDataset({
      features: train.features.slice(from * 4, to * 4),
      featureShape: [4],
      labels: (train.labels as Int32Array).slice(from, to),
      classes: 3,
    });
  };
  const sites = Array.from({ length: SITES }, (_, site) => trainer.withData(part(site)));
  let plain = initialModel(spec.model);
  const float: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const sum = new Float64Array(plain.length);
    for (const [site, own] of sites.entries()) {
      const seed = new Uint8Array(32).fill(site);
      // One model serves all sites, one after the other.
      const trained = await own.train({ ...TRAINING, weights: plain, round, seed });
      for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! + trained.weights[i]! / SITES;
    }
    plain = Float32Array.from(sum);
    if (round <= ROUNDS - LAST) continue;
    float.push((await trainer.evaluate(plain, test)).correct / test.size);
  }
  const masked = result.summary.history.slice(-LAST).map(({ testAccuracy = 0 }) => testAccuracy);
  expect(meanOf(float)).toBeGreaterThan(0.85);
  expect(meanOf(masked)).toBeGreaterThan(meanOf(float) - 0.01);
});

it('local statistics: verified, the layers keep their first bits, and the simulation says so', async () => {
  const warnings: string[] = [];
  const result = await simulate({
    ...TRAINING,
    participants: SITES,
    cohort: SITES,
    rounds: 2,
    substrate: 'local',
    statistics: 'local',
    backend: 'cpu',
    baseline: false,
    data: { train: points(SITES * 40, 1), test: points(60, 2) },
    model,
    outDir: join(folder, 'local'),
    onEvent: (event) => void (event.type === 'warning' && warnings.push(event.message)),
  });
  await using opened = await openRun(result.folder, { journalLedger: readJournalLedger });
  expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
  const { spec } = opened;
  expect(spec.training.statistics).toBe('local');
  const first = unflatten(spec.model, initialModel(spec.model));
  const last = unflatten(spec.model, (await opened.pull()).weights);
  const moved = [...last].filter(([name, values]) =>
    values.some((v, i) => v !== first.get(name)![i]),
  );
  expect(moved.map(([name]) => name).toSorted()).toEqual([
    'hidden/bias',
    'hidden/kernel',
    'output/bias',
    'output/kernel',
  ]);
  expect(warnings).toEqual([expect.stringMatching(/^local statistics: norm\/gamma, .* 4 more/u)]);
});
