/**
 * @module Three sites whose columns, names and languages differ, in a run with a data contract: the
 * model is that of the pooled clean table, or a site is refused by name. And the weights of classes
 * in the loss.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { beginningOf, join, type Dataset } from '../../client/index.ts';
import { applyContract } from '../../client/data/contract/apply.ts';
import { inferContract } from '../../client/data/contract/infer.ts';
import type { Mapping } from '../../client/data/contract/mapping.ts';
import { createDataset, subset } from '../../client/data/dataset.ts';
import { readCsv } from '../../client/data/readers/csv.ts';
import type { RunData } from '../../client/data/run-data.ts';
import { normal } from '../../client/data/sampling.ts';
import type { Table } from '../../client/data/table.ts';
import { modelOfSpec } from '../../client/spec-model.ts';
import { selectBackend } from '../../client/tfjs/backends.ts';
import { tfjsTrainer, type TfjsTrainerOptions } from '../../client/tfjs/trainer.ts';
import { createTrainer } from '../../client/thread/spec-trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { cipherStream } from '../../protocol/ports/random.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { makeRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { testSpec } from '../support/run.ts';
import { serveRun } from '../support/served-run.ts';
import { ifThere } from './optional.ts';
import { dense, seed } from './task-models.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Patient {
  readonly age: number;
  readonly dose: number;
  readonly sex: 'f' | 'm';
  readonly outcome: 'healthy' | 'ill' | 'recovered';
}
const OUTCOMES = ['healthy', 'ill', 'recovered'] as const;

/** Unscaled: the doses are thousands of times the ages. */
const patients = (count: number): readonly Patient[] => {
  const random = cipherStream(new Uint8Array(32).fill(3));
  return Array.from({ length: count }, (_, i) => {
    const kind = i % 3;
    return {
      age: [35, 70, 50][kind]! + 6 * normal(random),
      dose: [20_000, 40_000, 90_000][kind]! + 8000 * normal(random),
      sex: i % 2 === 0 ? 'f' : 'm',
      outcome: OUTCOMES[kind]!,
    };
  });
};

const readText = (text: string): Promise<Table> =>
  readCsv(() => [new TextEncoder().encode(text)], 'site.csv', {});

const ALL = patients(360);
const part = (site: number): readonly Patient[] =>
  ALL.filter((_, i) => Math.floor(i / 3) % 3 === site);
const clean = (of: readonly Patient[]): string =>
  `age,dose,sex,outcome\n${of.map((p) => `${p.age.toFixed(2)},${p.dose.toFixed(1)},${p.sex},${p.outcome}`).join('\n')}\n`;

const GERMAN = { healthy: 'gesund', ill: 'krank', recovered: 'genesen' };
const GERMAN_MAP: Mapping = {
  columns: { Ergebnis: 'outcome', Dosis: 'dose', Geschlecht: 'sex', Alter: 'age' },
  values: {
    Ergebnis: { gesund: 'healthy', krank: 'ill', genesen: 'recovered' },
    Geschlecht: { w: 'f' },
  },
};
const decimal = (value: number, digits: number): string => value.toFixed(digits).replace('.', ',');
const german = (of: readonly Patient[]): string =>
  `Ergebnis;Dosis;Geschlecht;Alter\n${of
    .map((p) =>
      [GERMAN[p.outcome], decimal(p.dose, 1), p.sex === 'f' ? 'w' : 'm', decimal(p.age, 2)].join(
        ';',
      ),
    )
    .join('\n')}\n`;

/** Codes for classes, another order of columns, and one column more. */
const CODED_MAP: Mapping = {
  values: { outcome: { '1': 'recovered', '2': 'ill', '3': 'healthy' } },
};
const CODES = { recovered: 1, ill: 2, healthy: 3 };
const coded = (of: readonly Patient[]): string =>
  `outcome,case,dose,age,sex\n${of.map((p, i) => `${CODES[p.outcome]},K${i},${p.dose.toFixed(1)},${p.age.toFixed(2)},${p.sex}`).join('\n')}\n`;

const ROUNDS = 3;

const specOf = async (contract: Contract): Promise<RunSpec> => {
  const { model } = await beginningOf({ model: 'linear', contract });
  return testSpec({
    model,
    data: contract,
    rounds: ROUNDS,
    cohort: { size: 3, minimum: 3 },
    training: { epochs: 4, batchSize: 20, learningRate: 0.3 },
    encoding: { ring: 'ring32', bits: 20, clipNorm: 8, weightCap: 1000 },
  });
};

const urlOf = async (spec: RunSpec): Promise<string> => {
  const { url, stop } = await serveRun(spec);
  closing.push(stop);
  return url;
};

const accuracyOf = async (spec: RunSpec, data: Dataset, weights: Float32Array): Promise<number> => {
  const trainer = await tfjsTrainer({ model: modelOfSpec(spec), data, contract: spec.data! });
  const { correct, examples } = await trainer.evaluate(weights);
  trainer.dispose();
  return correct / examples;
};

describe('a run with a data contract', () => {
  it('of three sites whose columns and classes differ has the model of the pooled clean data', async () => {
    const pooled = await readText(clean(ALL));
    const { contract } = inferContract(pooled);
    const spec = await specOf(contract);
    const address = await urlOf(spec);
    const sites: readonly [string, Mapping?][] = [
      [clean(part(0))],
      [german(part(1)), GERMAN_MAP],
      [coded(part(2)), CODED_MAP],
    ];
    const told: RunData[] = [];
    const joined = await Promise.all(
      sites.map(async ([text, map]) =>
        join(address, {
          data: await readText(text),
          ...(map === undefined ? {} : { map }),
          thread: false,
          require: TEST_ADMISSION,
          log: () => undefined,
          onPreflight: (data) => told.push(data),
        }),
      ),
    );
    await Promise.all(joined.map(({ finished }) => finished));
    const weights = (await joined[0]?.model())!;
    const { data } = applyContract(pooled, contract);
    const federated = await accuracyOf(spec, data, weights);

    const trainer = await tfjsTrainer({ model: modelOfSpec(spec), data, contract });
    const { weights: central } = await trainer.train({
      weights: initialModel(spec.model),
      round: 1,
      seed,
      batchSize: spec.training.batchSize,
      learningRate: spec.training.learningRate,
      epochs: ROUNDS * spec.training.epochs,
    });
    trainer.dispose();
    const best = await accuracyOf(spec, data, central);
    expect(best).toBeGreaterThan(0.95);
    expect(Math.abs(federated - best)).toBeLessThanOrEqual(0.01);
    expect(told.map(({ report }) => report?.histogram?.map(({ examples }) => examples))).toEqual([
      [40, 40, 40],
      [40, 40, 40],
      [40, 40, 40],
    ]);
  });

  it('refuses a site without its mapping before anything but the login is sent', async () => {
    const { contract } = inferContract(await readText(clean(ALL)));
    const address = await urlOf(await specOf(contract));
    const run = await join(address, {
      data: await readText(german(part(1))),
      thread: false,
      require: TEST_ADMISSION,
      log: () => undefined,
    });
    await expect(run.finished).rejects.toMatchObject({ code: 'data_unmapped' });
  });

  it('refuses numbers of classes beyond the model where no contract numbers them', async () => {
    const { contract } = inferContract(await readText(clean(ALL)));
    const { data: _, ...rest } = await specOf(contract);
    const address = await urlOf(rest);
    const run = await join(address, {
      data: await readText('a,b,c,d,y\n1,2,3,4,1\n2,3,4,5,3\n'),
      thread: false,
      require: TEST_ADMISSION,
      log: () => undefined,
    });
    await expect(run.finished).rejects.toMatchObject({
      code: 'contract_missing',
      details: { row: 2, label: 3 },
    });
  });
});

const webgpu = await ifThere(selectBackend({ prefer: 'webgpu', softwareGpu: true }));
const onnx = await ifThere(selectBackend({ prefer: 'onnx' }));

describe('weights of classes', () => {
  const contract = (weights?: number[]): Contract => ({
    version: 1,
    input: { type: 'array', shape: [5] },
    target: {
      type: 'classes',
      name: 'class',
      classes: ['a', 'b', 'c'],
      ...(weights === undefined ? {} : { weights }),
    },
  });
  const stream = cipherStream(seed);
  const data = createDataset({
    features: Float32Array.from({ length: 30 }, () => normal(stream)),
    labels: Int32Array.of(0, 2, 1, 2, 0, 1),
    featureShape: [5],
    classes: 3,
  });

  const yesNo = createDataset({
    features: data.features,
    labels: Int32Array.of(0, 1, 1, 0, 0, 1),
    featureShape: [5],
    classes: 2,
  });
  const binary = (weights?: number[]): Contract => ({
    ...contract(),
    target: {
      type: 'classes',
      name: 'class',
      classes: ['no', 'yes'],
      ...(weights === undefined ? {} : { weights }),
    },
  });
  // The loss that takes the last activation in, and the one of probabilities.
  const CASES = [
    { name: 'multi-class', weights: [1, 1, 3], by: 5 / 3, examples: data, of: contract },
    { name: 'binary', weights: [1, 3], by: 2, examples: yesNo, of: binary },
  ] as const;
  const ENGINES: Readonly<Record<string, Partial<TfjsTrainerOptions> | undefined>> = {
    cpu: { backend: { prefer: 'cpu' } },
    wasm: { backend: { prefer: 'wasm' } },
    'eager wasm': { backend: { prefer: 'wasm' }, recorded: false },
    onnx: onnx && { backend: onnx },
    webgpu: webgpu && { backend: webgpu },
  };

  for (const [engineName, options] of Object.entries(ENGINES)) {
    const where = options === undefined ? `${engineName} (not on this machine)` : engineName;
    describe.skipIf(options === undefined)(`on ${where}`, () => {
      // A software adapter takes half a minute for a second model.
      it.each(engineName === 'webgpu' ? CASES.slice(0, 1) : CASES)(
        '$name: are a step over each example that many times',
        async ({ weights: classWeights, by, examples, of, name }) => {
          const step = async (train: Dataset, own: Contract, learningRate: number) => {
            const trainer = await tfjsTrainer({
              ...options,
              model: name === 'binary' ? dense(1, 'sigmoid') : dense(3, 'softmax'),
              data: train,
              task: name,
              contract: own,
            });
            // Not by another engine in its place.
            if (engineName === 'onnx') expect(trainer.backend).toContain('as one graph');
            if (engineName === 'webgpu') expect(trainer.backend).toContain('replayed');
            const weights = initialModel({ tensors: [...trainer.manifest.tensors], seed });
            const request = { weights, round: 1, epochs: 1, batchSize: 100, learningRate, seed };
            const result = await trainer.train(request);
            trainer.dispose();
            return result;
          };
          const last = classWeights.length - 1;
          const rows = [...examples.labels].flatMap((label, i) =>
            label === last ? [i, i, i] : [i],
          );
          const weighted = await step(examples, of([...classWeights]), 0.3);
          const plain = await step(subset(examples, rows), of(), 0.3 * by);
          for (const [i, weight] of weighted.weights.entries())
            expect(weight).toBeCloseTo(plain.weights[i]!, 4);
          expect(weighted.lossSum).toBeCloseTo(plain.lossSum, 4);
        },
      );
    });
  }

  it('count for a trainer that holds examples out', async () => {
    const step = async (own: Contract) => {
      const { model, training } = makeRunSpec({
        id: new Uint8Array(16),
        coordinator: new Uint8Array(32),
        model: await beginningOf({ model: 'mlp:4', contract: own }).then((made) => made.model),
        data: own,
        training: { holdout: 0.34 },
      });
      const trainer = await createTrainer({
        spec: { model, training, data: own },
        data: yesNo,
        backend: 'wasm',
      });
      const weights = initialModel({ tensors: [...trainer.manifest.tensors], seed });
      const request = { weights, round: 1, epochs: 1, batchSize: 100, learningRate: 0.3, seed };
      const { lossSum, metrics } = await trainer.train(request);
      trainer.dispose?.();
      return { lossSum, tested: metrics?.['testExamples'] };
    };
    const [plain, doubled] = [await step(binary()), await step(binary([2, 2]))];
    expect(plain.tested).toBe(2);
    expect(doubled.lossSum).toBeCloseTo(2 * plain.lossSum, 5);
  });

  it('of a contract that the model does not fit are refused by field', async () => {
    const make = (of: Contract) => tfjsTrainer({ model: dense(3, 'softmax'), data, contract: of });
    const target = { type: 'classes', name: 'class', classes: ['a', 'b'] } as const;
    await expect(
      make({ ...contract(), target: { ...target, classes: [...target.classes] } }),
    ).rejects.toMatchObject({
      code: 'contract_invalid',
      message: expect.stringContaining('data.target') as string,
    });
    await expect(
      make({ ...contract(), input: { type: 'array', shape: [6] } }),
    ).rejects.toMatchObject({
      code: 'contract_invalid',
      message: expect.stringContaining('data.input') as string,
    });
  });
});
