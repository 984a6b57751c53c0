/**
 * @module What a lying coordinator gains by the objective of a run, which participants take from
 * its specification: weights of classes that silence all sites but one, a held-out part that only
 * one site has. Real trainers; each move succeeded before its defence.
 */
import { describe, expect, it } from 'vitest';
import { ADMISSION_DEFAULTS, admitRun } from '../../client/admission.ts';
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { normal } from '../../client/data/sampling.ts';
import { createTrainer } from '../../client/thread/spec-trainer.ts';
import { beginningOf } from '../../client/index.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { keystoreNamed } from '../support/meeting.ts';
import { testSpec } from '../support/run.ts';

const NAMES = ['victim', 'anna', 'berta', 'caesar', 'dorothea'];
const SEED = new Uint8Array(32).fill(5);
const WIDTH = 6;

const contractOf = (weights?: readonly number[]): Contract => ({
  version: 1,
  input: { type: 'array', shape: [WIDTH] },
  target: {
    type: 'classes',
    name: 'diagnosis',
    classes: ['healthy', 'common', 'rare'],
    ...(weights === undefined ? {} : { weights: [...weights] }),
  },
});

const specOf = async (contract: Contract, training: object = {}): Promise<RunSpec> => {
  const keystores = await Promise.all(NAMES.map(keystoreNamed));
  const { model } = await beginningOf({ model: 'linear', contract });
  return testSpec({
    model,
    data: contract,
    cohort: { size: 5, minimum: 5 },
    members: { type: 'closed', keys: keystores.map(({ identity }) => identity.publicKey) },
    encoding: { clipNorm: 8, weightCap: 1000 },
    training: { epochs: 1, batchSize: 16, learningRate: 0.1, ...training },
  });
};

const siteOf = (name: string, labels: readonly number[]): Dataset => {
  const random = cipherStream(deriveSeed(SEED, name));
  return createDataset({
    features: Float32Array.from({ length: labels.length * WIDTH }, () => normal(random)),
    labels: Int32Array.from(labels),
    featureShape: [WIDTH],
    classes: 3,
  });
};

const train = async (spec: RunSpec, data: Dataset) => {
  const trainer = await createTrainer({ spec, data, backend: 'cpu' });
  const before = initialModel(spec.model);
  const { batchSize, learningRate, epochs } = spec.training;
  const result = await trainer.train({
    weights: before,
    round: 1,
    seed: SEED,
    batchSize,
    learningRate,
    epochs,
  });
  trainer.dispose?.();
  return { ...result, update: result.weights.map((value, i) => value - (before[i] ?? 0)) };
};

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((s, v, i) => s + v * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** Of the sum of the five updates with that of the victim, who alone has the rare class. */
const cosineWithSum = async (spec: RunSpec): Promise<number> => {
  const updates = await Promise.all(
    NAMES.map(async (name) => {
      const labels = Array.from({ length: 48 }, (_, i) => (name === 'victim' ? i % 3 : i % 2));
      return (await train(spec, siteOf(name, labels))).update;
    }),
  );
  const [own] = updates;
  const sum = own!.map((_, i) => updates.reduce((total, update) => total + update[i]!, 0));
  return cosine(sum, own!);
};

describe('a coordinator whose contract weights the classes', () => {
  const admit = async (weights: readonly number[], policy = ADMISSION_DEFAULTS) => {
    const spec = await specOf(contractOf(weights));
    const { identity } = await keystoreNamed('victim');
    admitRun(policy, spec, identity.publicKey);
  };

  it('and silences all sites but the one that has a rare class is refused by name', async () => {
    const weights = [1e-9, 1e-9, 1];
    expect(await cosineWithSum(await specOf(contractOf(weights)))).toBeGreaterThan(0.999_999);
    await expect(admit(weights)).rejects.toMatchObject({
      code: 'admission_refused',
      details: { field: 'classWeights', flag: '--require-class-weights' },
    });
    await expect(admit(weights, { ...ADMISSION_DEFAULTS, classWeights: 1e9 })).resolves.toBe(
      undefined,
    );
  });

  it('remains: up to the ratio that a participant takes, the sum leans to who has the class', async () => {
    const { classWeights } = ADMISSION_DEFAULTS;
    await admit([1, 1, classWeights]);
    const without = await cosineWithSum(await specOf(contractOf()));
    const weighted = await cosineWithSum(await specOf(contractOf([0.1, 0.1, 1])));
    expect([without, weighted].map((value) => Number(value.toFixed(1)))).toEqual([0.6, 0.7]);
  });
});

describe('a coordinator that has examples held out', () => {
  it('of which one site alone would have one gets the sum over some of every site', async () => {
    const spec = await specOf(contractOf(), { holdout: 0.001 });
    const sizes = [600, 400, 60, 12, 4];
    const held = await Promise.all(
      NAMES.map(async (name, i) => {
        const labels = Array.from({ length: sizes[i]! }, (_, row) => row % 2);
        const { metrics = {} } = await train(spec, siteOf(name, labels));
        return metrics['testExamples'];
      }),
    );
    expect(held).toEqual([10, 10, 6, 1, 1]);
  });
});
