/**
 * Fine-tuning after a simulated run: each site's numbers against a trainer that tells what it was
 * given, the deciles against numpy's, and a whole run with its files, whose model stays the same.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { functionTrainer, type Trainer } from '../../client/trainer.ts';
import * as task from '../../examples/simulation/task.ts';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import {
  describeFineTuned,
  distributionOf,
  fineTunedSchema,
  quantileOf,
} from '../../sim/fine-tune/distribution.ts';
import {
  measureFineTuning,
  type FineTunePlan,
  type TunedSite,
} from '../../sim/fine-tune/measure.ts';
import { fineTuneSection } from '../../sim/report/fine-tune.ts';
import { simulate } from '../../sim/index.ts';
import { makeScenario } from '../../sim/scenario.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-fine-tune-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const EXAMPLES = 60;
/** Each feature is the number of its row. */
const data = createDataset({
  features: Float32Array.from({ length: EXAMPLES }, (_, i) => i),
  labels: Int32Array.from({ length: EXAMPLES }, (_, i) => i % 2),
  featureShape: [1],
  classes: 2,
});

const rowsOf = (of: Dataset): number[] => [...(of.indices ?? of.labels.keys())];

const trainedOn = new Map<number, number[]>();
const scoredOn: number[][] = [];
/** Adds 1 to the weight in an epoch; the accuracy of a model is its weight by 10. */
const trainerOf = (own: Dataset): Trainer =>
  functionTrainer({
    manifest: { tensors: [{ name: 'w', shape: [1], dtype: 'float32' }] },
    train: ({ weights, epochs }) => {
      trainedOn.set(rowsOf(own)[0]!, rowsOf(own));
      return {
        weights: weights.map((weight) => weight + epochs),
        examples: own.size,
        lossSum: 0,
        correct: 0,
      };
    },
    evaluate: (weights, on = own) => {
      scoredOn.push(rowsOf(on));
      return {
        examples: on.size,
        lossSum: (on.size * 1) / weights[0]!,
        correct: (on.size * weights[0]!) / 10,
      };
    },
  });
const parts = [
  Uint32Array.from({ length: 20 }, (_, i) => i),
  Uint32Array.from({ length: 20 }, (_, i) => 20 + i),
  // One of each class: none can be held out.
  Uint32Array.of(40, 41),
  Uint32Array.from({ length: 18 }, (_, i) => 42 + i),
];
const plan: FineTunePlan = {
  epochs: 3,
  batchSize: 5,
  learningRate: 0.1,
  holdout: 0.2,
  seed: new Uint8Array(32),
  world: {
    participants: 4,
    cohort: 4,
    seed: new Uint8Array(32),
    featureSkew: { type: 'none' },
    attacks: [
      {
        kind: 'sign-flip',
        fraction: 0.25,
        parameters: {},
        members: [1],
        pool: [],
        honest: [],
        seed: new Uint8Array(32),
      },
    ],
  },
  parts,
};

describe('the sites', () => {
  it('are scored before and after on examples that they did not train on; attackers are left out', async () => {
    const weights = Float32Array.of(2);
    const sites = await measureFineTuning(plan, data, weights, false, trainerOf);
    expect(sites).toEqual(
      [0, 3].map((participant) => ({
        participant,
        examples: participant === 0 ? 16 : 14,
        heldOut: 4,
        accuracyBefore: expect.closeTo(0.2, 6) as number,
        accuracyAfter: 0.5,
        lossBefore: 0.5,
        lossAfter: 0.2,
      })),
    );
    expect([...weights]).toEqual([2]);
    const trained = new Set([...trainedOn.values()].flat());
    expect(trained.size).toBe(30);
    expect(scoredOn).toHaveLength(4);
    expect(scoredOn[0]).toEqual(scoredOn[1]);
    for (const row of scoredOn.flat()) expect(trained.has(row)).toBe(false);
  });

  it('of regression have a loss alone', async () => {
    const [site] = await measureFineTuning(plan, data, Float32Array.of(2), true, trainerOf);
    expect(site).toMatchObject({ accuracyBefore: undefined, accuracyAfter: undefined });
  });
});

describe('a site that diverges', () => {
  it('does not end the run, nor is it in the numbers of the others', async () => {
    const sites = await measureFineTuning(plan, data, Float32Array.of(2), true, (own) => {
      const isFirst = rowsOf(own)[0]! < 20;
      return {
        ...trainerOf(own),
        ...(isFirst
          ? {
              train: () =>
                Promise.reject(new FloeError('update_not_finite', 'training gave NaN in w')),
            }
          : {}),
      };
    });
    expect(sites.map(({ lossAfter }) => lossAfter)).toEqual([undefined, 0.2]);
    const tuned = distributionOf(plan, sites)!;
    expect(tuned).toMatchObject({ sites: 2, diverged: 1, improved: 1 });
    expect(describeFineTuned(tuned)).toContain('; 1 diverged and not counted');
    expect(JSON.stringify(tuned)).not.toContain('null');
  });

  it('leaves a summary that can be read, if all do', async () => {
    const sites = await measureFineTuning(plan, data, Float32Array.of(2), true, (own) => ({
      ...trainerOf(own),
      evaluate: async () => ({ examples: 1, correct: 0, lossSum: Infinity }),
    }));
    const tuned = distributionOf(plan, sites)!;
    expect(v.parse(fineTunedSchema, JSON.parse(JSON.stringify(tuned)))).toEqual(tuned);
    expect(describeFineTuned(tuned)).toBe('fine-tuned at 2 sites: all diverged');
    expect(fineTuneSection(tuned)).toContain('2 diverged');
  });
});

describe('the distribution', () => {
  const site = (before: number, after: number, loss = false): TunedSite => ({
    participant: 0,
    examples: 8,
    heldOut: 2,
    accuracyBefore: loss ? undefined : before,
    accuracyAfter: loss ? undefined : after,
    lossBefore: before,
    lossAfter: after,
  });

  it("has numpy's quantiles", () => {
    // numpy.quantile([1, 2, 4, 8], [0, .1, .5, .9, 1]).
    const sorted = [1, 2, 4, 8];
    const found = [0, 0.1, 0.5, 0.9, 1].map((p) => quantileOf(sorted, p));
    for (const [i, wanted] of [1, 1.3, 3, 6.8, 8].entries())
      expect(found[i]).toBeCloseTo(wanted, 12);
    expect(quantileOf([3], 0.1)).toBe(3);
  });

  it('counts the sites that improve, by the measure, and says it in one line', () => {
    const sites = [site(0.5, 0.9), site(0.8, 0.8), site(0.6, 0.5)];
    const tuned = distributionOf(plan, sites)!;
    expect(tuned).toMatchObject({ sites: 3, improved: 1, measure: 'accuracy' });
    expect(describeFineTuned(tuned)).toBe(
      'fine-tuned at 3 sites: accuracy median 60.00 % -> 80.00 %, worst decile 52.00 % -> 56.00 %; ' +
        '1 improved, median change +0.00 points',
    );
    const losses = distributionOf(plan, [site(1, 0.5, true), site(2, 3, true)])!;
    expect(losses).toMatchObject({ measure: 'loss', improved: 1 });
    // The worst tenth has the largest losses.
    expect(describeFineTuned(losses)).toContain('worst decile 1.9000 -> 2.7500');
    expect(distributionOf(plan, [])).toBeUndefined();
  });
});

it('a run prints, keeps and shows it, and ends with the model of the run without it', async () => {
  const { data: own, name, trainer } = task;
  const run = async (fineTune: object) =>
    simulate({
      participants: 5,
      cohort: 5,
      rounds: 2,
      learningRate: 0.1,
      holdout: 0.2,
      substrate: 'local',
      data: own,
      name,
      trainer,
      outDir: join(folder, 'runs'),
      exports: ['csv', 'jsonl'],
      ...fineTune,
    });
  const plain = await run({});
  const { summary, folder: at } = await run({ fineTune: 4 });
  expect(summary.modelHash).toBe(plain.summary.modelHash);
  expect(plain.summary.fineTuned).toBeUndefined();
  expect(summary.fineTuned).toMatchObject({ epochs: 4, sites: 5, measure: 'accuracy' });
  const read = (file: string): Promise<string> => readFile(join(at, file), 'utf8');
  const lines = (await read('metrics/fine-tune.jsonl')).trim().split('\n');
  const sites = lines.map((line) => JSON.parse(line) as TunedSite);
  expect(sites.map(({ participant }) => participant)).toEqual([0, 1, 2, 3, 4]);
  const { fineTuned } = summary;
  expect(distributionOf(fineTuned!, sites)).toEqual(fineTuned);
  expect((await read('metrics/fine-tune.csv')).split('\n')).toHaveLength(7);
  expect(await read('report.html')).toContain('Fine-tuning after the run');
  expect(await readFile(join(plain.folder, 'report.html'), 'utf8')).not.toContain('Fine-tuning');
});

it('needs examples that no round has trained on, and a model that is whole', () => {
  expect(() => makeScenario({ fineTune: 2 })).toThrow(/--fine-tune: .* expected --holdout/u);
  expect(() => makeScenario({ fineTune: 2, holdout: 0.2, localLayers: ['dense_1'] })).toThrow(
    /--local-layer stay in its own memory/u,
  );
  expect(() => makeScenario({ fineTune: 0, holdout: 0.2 })).toThrow(/--fine-tune/u);
});
