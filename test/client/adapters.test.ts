/**
 * @module Low-rank adapters: at first the base's outputs bit for bit, gradients against finite
 * differences, merging, what travels, what is refused; over dense stacks, nested models, batch
 * normalisation and the attention of the encoder; eager, recorded and on the cpu backend.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { baseOf, hashBase, loadBase, travellingManifest } from '../../client/adapters/base.ts';
import { frozenFactor } from '../../client/adapters/layers.ts';
import {
  type AdapterOptions,
  mergeAdapters,
  withAdapters,
} from '../../client/adapters/with-adapters.ts';
import { createDataset } from '../../client/data/dataset.ts';
import { encoder, parseEncoderConfig } from '../../client/models/encoder.ts';
import { readEncoder } from '../../client/models/encoder-weights.ts';
import { type Backend, selectBackend, switchBackend } from '../../client/tfjs/backends.ts';
import { modelFromTopology } from '../../client/tfjs/models.ts';
import { topologyOf } from '../../client/tfjs/topology.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { parameterCount } from '../../protocol/model/manifest.ts';
import { TINY, tinyFile, tinyTensors } from '../support/tiny-encoder.ts';

type Tf = typeof Tfjs;

let wasm: Backend;
beforeAll(async () => {
  wasm = await selectBackend({ prefer: 'wasm' });
});

const seed = new Uint8Array(32).fill(3);
const config = parseEncoderConfig(JSON.stringify(TINY));

const stack = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({
    name: 'stack',
    layers: [
      tf.layers.dense({ name: 'first', units: 7, activation: 'tanh', inputShape: [5] }),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.dense({ name: 'second', units: 6, activation: 'sigmoid', useBias: false }),
      tf.layers.dense({ name: 'head', units: 3, activation: 'softmax' }),
    ],
  });

const nested = (tf: Tf): Tfjs.LayersModel => {
  const x = tf.input({ shape: [5], name: 'x' });
  const body = tf.sequential({
    name: 'body',
    layers: [tf.layers.dense({ name: 'first', units: 4, activation: 'tanh', inputShape: [5] })],
  });
  const second = tf.layers.dense({ name: 'second', units: 4 }).apply(x);
  const sum = tf.layers
    .add({ name: 'sum' })
    .apply([body.apply(x), second] as Tfjs.SymbolicTensor[]) as Tfjs.SymbolicTensor;
  const out = tf.layers.dense({ name: 'head', units: 3, activation: 'softmax' }).apply(sum);
  return tf.model({ name: 'nested', inputs: x, outputs: out as Tfjs.SymbolicTensor });
};

const small = createDataset({
  features: Float32Array.from({ length: 40 }, (_, i) => Math.sin(i * 7)),
  labels: Int32Array.from({ length: 8 }, (_, i) => i % 3),
  featureShape: [5],
  classes: 3,
});
const texts = createDataset({
  features: Float32Array.of(2, 9, 4, 17, 30, 3, 2, 21, 3, 0, 0, 0, 2, 8, 8, 12, 3, 0),
  labels: Int32Array.of(0, 1, 1),
  featureShape: [6],
  classes: 2,
});

const CASES = [
  { name: 'a dense stack', build: stack, targets: ['first', 'second'], data: small },
  { name: 'a nested model', build: nested, targets: ['*'], heads: ['head'], data: small },
  {
    name: 'attention',
    build: (tf: Tf) => encoder(config, { length: 6, classes: 2 })(tf),
    targets: ['*_query', '*_value', '*_intermediate'],
    data: texts,
  },
] as const;

/** The model, its base as a site has it, and the adapted model. */
const adapt = async (
  { build, targets, ...rest }: (typeof CASES)[number],
  options: Partial<AdapterOptions> = {},
) => {
  const { tf } = wasm;
  switchBackend(tf, 'wasm');
  const model = await build(tf);
  // The initialisers of tfjs draw other weights in each run.
  for (const [i, weight] of model.weights.entries())
    if (weight.name.includes('kernel'))
      tf.tidy(() => {
        weight.write(tf.randomUniform(weight.shape as number[], -0.7, 0.7, 'float32', i + 1));
      });
  const heads = 'heads' in rest ? rest.heads : ['head'];
  return withAdapters(tf, model, { rank: 2, alpha: 4, targets, heads, ...options });
};

const predict = (tf: Tf, model: Tfjs.LayersModel, { features, size, featureShape }: typeof small) =>
  tf.tidy(() =>
    (model.predict(tf.tensor(features, [size, ...featureShape])) as Tfjs.Tensor).dataSync(),
  );

const bits = (values: ArrayLike<number>): Int32Array =>
  new Int32Array(Float32Array.from(values).buffer);

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (thrown) {
    return thrown instanceof FloeError ? thrown.code : String(thrown);
  }
  return 'nothing thrown';
};

describe.each(CASES)('adapters on $name', (given) => {
  const { build, data } = given;

  it.each(['wasm', 'cpu'] as const)(
    'give the base outputs at first, bit for bit, on %s',
    async (name) => {
      const { tf } = wasm;
      switchBackend(tf, name);
      if (name === 'cpu') await tf.setBackend('cpu');
      const plain = await build(tf);
      const before = predict(tf, plain, data);
      const heads = 'heads' in given ? given.heads : ['head'];
      const adapted = await withAdapters(tf, plain, { rank: 2, targets: given.targets, heads });
      expect(bits(predict(tf, adapted, data))).toEqual(bits(before));
      adapted.dispose();
      await tf.setBackend('wasm');
    },
  );

  it.each([true, false])(
    'train by the gradients of finite differences, recorded %s',
    async (recorded) => {
      const adapted = await adapt(given);
      const topology = topologyOf(adapted);
      const base = baseOf(adapted);
      adapted.dispose();
      const trainer = await tfjsTrainer({
        model: topology,
        base,
        data,
        backend: wasm,
        recorded,
        denseFastPath: recorded,
      });
      if (recorded) expect(trainer.backend).toContain('recorded once');
      const start = Float32Array.from(
        { length: parameterCount(trainer.manifest) },
        (_, i) => 0.5 * Math.sin(3 * i + 1),
      );
      const rate = 0.05;
      const request = { round: 1, epochs: 1, batchSize: data.size, learningRate: rate, seed };
      const { weights } = await trainer.train({ weights: start, ...request });
      const lossAt = async (index: number, by: number): Promise<number> => {
        const moved = start.slice();
        moved[index] = (moved[index] ?? 0) + by;
        return (await trainer.evaluate(moved)).lossSum / data.size;
      };
      for (let i = 0; i < start.length; i += 1 + Math.floor(start.length / 25)) {
        const slope = ((await lossAt(i, 1e-2)) - (await lossAt(i, -1e-2))) / 2e-2;
        expect(Math.abs((start[i]! - weights[i]!) / rate - slope), `weight ${i}`).toBeLessThan(
          1e-3,
        );
      }
      trainer.dispose();
    },
  );

  it('merge into the plain model', async () => {
    const { tf } = wasm;
    const adapted = await adapt(given);
    for (const weight of adapted.trainableWeights)
      tf.tidy(() => {
        weight.write(tf.randomUniform(weight.shape as number[], -0.5, 0.5, 'float32', 7));
      });
    const merged = await mergeAdapters(tf, adapted);
    const wanted = predict(tf, adapted, data);
    const got = predict(tf, merged, data);
    got.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 5));
    const plain = await build(tf);
    expect(topologyOf(merged)['config']).toMatchObject({ layers: expect.any(Array) });
    expect(merged.weights.map(({ originalName }) => originalName).toSorted()).toEqual(
      plain.weights.map(({ originalName }) => originalName).toSorted(),
    );
    adapted.dispose();
    merged.dispose();
    plain.dispose();
  });
});

describe('what travels', () => {
  it('is the second factors and the head, and the base does not move by one bit', async () => {
    const adapted = await adapt(CASES[0]);
    expect(travellingManifest(adapted).tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['first/lora_b', [2, 7]],
      ['second/lora_b', [2, 6]],
      ['head/kernel', [6, 3]],
      ['head/bias', [3]],
    ]);
    const base = baseOf(adapted);
    const { engine } = {
      engine: await tfjsTrainer({
        model: adapted,
        base,
        data: small,
        backend: wasm,
        recorded: false,
      }),
    };
    const weights = initialModel({ tensors: engine.manifest.tensors, seed });
    const request = { round: 1, epochs: 30, batchSize: 4, learningRate: 0.5, seed };
    const trained = await engine.train({ weights, ...request });
    expect(trained.lossSum).toBeLessThan((await engine.evaluate(weights)).lossSum);
    // Batch normalisation too: 60 steps would have moved its statistics.
    expect(bits(baseOf(adapted).flat)).toEqual(bits(base.flat));
    expect(engine.base).toEqual({ hash: hashBase(base) });
    engine.dispose();
  });

  it('recorded and eager steps give the same weights but for rounding, over a base of its own', async () => {
    const results = [];
    const adapted = await adapt(CASES[2]);
    const topology = topologyOf(adapted);
    const base = { ...baseOf(adapted), name: 'tiny' };
    adapted.dispose();
    for (const recorded of [true, false]) {
      const trainer = await tfjsTrainer({
        model: topology,
        base,
        data: texts,
        backend: wasm,
        recorded,
      });
      const weights = initialModel({ tensors: trainer.manifest.tensors, seed });
      const request = { round: 1, epochs: 5, batchSize: 2, learningRate: 0.1, seed };
      results.push((await trainer.train({ weights, ...request })).weights);
      expect(trainer.base).toEqual({ hash: hashBase(base), name: 'tiny' });
      trainer.dispose();
    }
    const [a, b] = results as [Float32Array, Float32Array];
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeLessThan(1e-5);
  });

  it.each([
    ['ffa', true],
    ['lora', false],
  ] as const)(
    'of %s: the mean of adapters merges to the mean of merged models: %s',
    async (kind, exact) => {
      const { tf } = wasm;
      const adapted = await adapt(CASES[0], { kind, inexactAverage: kind === 'lora' });
      const adapters = adapted.trainableWeights.filter(({ originalName }) =>
        originalName.includes('lora'),
      );
      const drawn = [5, 6].map((draw) =>
        adapters.map(({ shape }) => tf.randomUniform(shape as number[], -1, 1, 'float32', draw)),
      );
      const merged = async (values: readonly Tfjs.Tensor[]): Promise<Float32Array> => {
        for (const [i, weight] of adapters.entries()) weight.write(values[i]!);
        const plain = await mergeAdapters(tf, adapted);
        const kernel = plain.getLayer('first').getWeights()[0]!.dataSync<'float32'>().slice();
        plain.dispose();
        return kernel;
      };
      const [one, other] = drawn as [Tfjs.Tensor[], Tfjs.Tensor[]];
      const mean = one.map((value, i) => tf.div(tf.add(value, other[i]!), 2));
      const of = await merged(mean);
      const [a, b] = [await merged(one), await merged(other)];
      const error = Math.max(...of.map((value, i) => Math.abs(value - (a[i]! + b[i]!) / 2)));
      if (exact) expect(error).toBeLessThan(1e-6);
      else expect(error).toBeGreaterThan(0.1);
      tf.dispose([...one, ...other, ...mean]);
      adapted.dispose();
    },
  );

  it('of lora is refused without its flag, and said with it', async () => {
    expect(await codeOf(async () => adapt(CASES[0], { kind: 'lora' }))).toBe('adapters_inexact');
    const accepted = await adapt(CASES[0], { kind: 'lora', inexactAverage: true });
    expect(travellingManifest(accepted).tensors.map(({ name }) => name)).toContain('first/lora_a');
    const base = baseOf(accepted);
    const trainer = await tfjsTrainer({ model: accepted, base, data: small, backend: wasm });
    expect(trainer.backend).toContain('inexact average');
    // B begins as zeros also where the first model is drawn, A does not.
    const first = initialModel({ tensors: trainer.manifest.tensors, seed });
    expect(first.subarray(0, 10).some((value) => value === 0)).toBe(false);
    expect([...first.subarray(10, 24)].every((value) => value === 0)).toBe(true);
    trainer.dispose();
  });

  it('holds the factor that everybody draws: a fixed value', () => {
    const factor = frozenFactor('floe/ffa-lora/v1', 'block0_query', 3, 2);
    expect(factor).toEqual(frozenFactor('floe/ffa-lora/v1', 'block0_query', 3, 2));
    expect(factor).not.toEqual(frozenFactor('other', 'block0_query', 3, 2));
    expect(factor.every((value) => Math.abs(value) < 1 / Math.sqrt(3))).toBe(true);
    expect([...bits(factor)]).toMatchInlineSnapshot(`
      [
        1045397875,
        -1090204273,
        1053402042,
        -1093269643,
        -1115787142,
        -1107082735,
      ]
    `);
  });
});

describe('what is refused', () => {
  it('a name that finds nothing, no rank, a topology with a bad adapter', async () => {
    const refused = (options: Partial<AdapterOptions>) =>
      codeOf(async () => adapt(CASES[0], options));
    expect(await refused({ targets: ['frist'] })).toBe('model_malformed');
    expect(await refused({ targets: ['norm'] })).toBe('model_malformed');
    expect(await refused({ heads: ['nothing'] })).toBe('model_malformed');
    expect(await refused({ rank: 0 })).toBe('model_malformed');
    expect(await refused({ rank: 1025 })).toBe('model_malformed');
    expect(await refused({ alpha: Number.NaN })).toBe('model_malformed');
    const adapted = await adapt(CASES[0]);
    const text = JSON.stringify(topologyOf(adapted)).replace('"ffa"', '"fa"');
    expect(await codeOf(async () => modelFromTopology(JSON.parse(text) as never)(wasm.tf))).toBe(
      'model_malformed',
    );
    adapted.dispose();
  });

  it('a base without the tensors that the model wants', async () => {
    const adapted = await adapt(CASES[2]);
    const base = readEncoder(config, tinyFile(tinyTensors()));
    loadBase(wasm.tf, adapted, base);
    const wrong = { ...base, manifest: { tensors: base.manifest.tensors.toSpliced(0, 1) } };
    expect(await codeOf(() => loadBase(wasm.tf, adapted, wrong))).toBe('base_mismatch');
    adapted.dispose();
  });
});
