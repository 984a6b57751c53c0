/**
 * @module Backends in their order; topologies, stable names, and files that tf.loadLayersModel
 * reads.
 */
import { initialModel } from '../../protocol/model/first-model.ts';
import type * as Tfjs from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import {
  type Backend,
  isSoftwareAdapter,
  listBackends,
  openBackends,
  selectBackend,
} from '../../client/tfjs/backends.ts';
import { type ModelFunction, modelByName, modelFromTopology } from '../../client/tfjs/models.ts';
import { exportTfjs } from '../../client/tfjs/topology.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';

const seed = new Uint8Array(32).fill(5);
let wasm: Backend;

beforeAll(async () => {
  wasm = await selectBackend({ prefer: 'wasm' });
});

describe('backends', () => {
  it('auto takes what rounds the same everywhere, fastest tries the others too', async () => {
    const reports = await listBackends();
    expect(reports.map(({ name }) => name)).toEqual([
      'tensorflow',
      'webgpu',
      'onnx',
      'wasm',
      'cpu',
    ]);
    const { name, tf } = await selectBackend();
    expect(name).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
    const { backends, skipped } = await openBackends({ prefer: 'fastest' });
    const missing = reports.filter(({ available }) => !available).map((report) => report.name);
    for (const own of backends) expect(missing).not.toContain(own.name);
    for (const own of missing) expect(skipped.some((reason) => reason.startsWith(`${own} (`)));
    await selectBackend();
  });

  it('an explicit wish that cannot be met is an error', async () => {
    const missing = (await listBackends()).filter(({ available }) => !available);
    for (const { name } of missing)
      await expect(selectBackend({ prefer: name })).rejects.toMatchObject({
        code: 'backend_unavailable',
      });
    await expect(
      selectBackend({ prefer: 'tensorflow' }).then(
        ({ name }) => name,
        () => 'tensorflow',
      ),
    ).resolves.toBe('tensorflow');
  });

  it('knows an adapter that is only software', () => {
    expect(isSoftwareAdapter({ vendor: 'google', architecture: 'swiftshader' })).toBe(true);
    expect(isSoftwareAdapter({ description: 'llvmpipe (LLVM 19)' })).toBe(true);
    expect(isSoftwareAdapter({ vendor: 'nvidia', isFallbackAdapter: true })).toBe(true);
    expect(isSoftwareAdapter({ vendor: 'nvidia', architecture: 'hopper' })).toBe(false);
  });

  it('prints nothing', async () => {
    const spies = (['log', 'warn', 'info', 'error'] as const).map((name) =>
      vi.spyOn(console, name).mockReturnValue(undefined),
    );
    const { tf } = await selectBackend({ prefer: 'cpu' });
    tf.tensor([1]).dispose();
    await selectBackend({ prefer: 'wasm', ownKernels: false });
    await selectBackend({ prefer: 'wasm' });
    for (const spy of spies) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
  });
});

const data = createDataset({
  features: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
  labels: Int32Array.from({ length: 10 }, (_, i) => i % 3),
  featureShape: [6],
  classes: 3,
});

const unnamed: ModelFunction = (tf) =>
  tf.sequential({
    layers: [
      tf.layers.dense({ units: 4, inputShape: [6], activation: 'tanh' }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 3, activation: 'softmax' }),
    ],
  });

/** Two inputs of the same layer: a model that is not Sequential. */
const functional: ModelFunction = (tf) => {
  const input = tf.input({ shape: [6] });
  const hidden = tf.layers
    .dense({ units: 5, activation: 'relu' })
    .apply(input) as Tfjs.SymbolicTensor;
  const left = tf.layers.dense({ units: 3 }).apply(hidden) as Tfjs.SymbolicTensor;
  const sum = tf.layers
    .add()
    .apply([left, tf.layers.dense({ units: 3 }).apply(hidden) as Tfjs.SymbolicTensor]);
  return tf.model({ inputs: input, outputs: sum as Tfjs.SymbolicTensor });
};

describe.each([
  ['unnamed', unnamed],
  ['functional', functional],
])('a model with automatic names (%s)', (_, model) => {
  it('has the same manifest, topology and first weights however often it is built', async () => {
    const [a, b] = [
      await tfjsTrainer({ model, data, backend: wasm }),
      await tfjsTrainer({ model, data, backend: wasm }),
    ];
    expect(b.manifest).toEqual(a.manifest);
    expect(b.topology).toEqual(a.topology);
    expect(initialModel({ ...b.manifest, seed })).toEqual(initialModel({ ...a.manifest, seed }));
    expect(a.manifest.tensors[0]?.name).toBe('dense_1/kernel');
    const c = await tfjsTrainer({ model: a.topology, data, backend: wasm });
    expect(c.manifest).toEqual(a.manifest);
    expect(initialModel({ ...c.manifest, seed })).toEqual(initialModel({ ...a.manifest, seed }));
    // Drawn as configured: nothing is zero but what is meant to be.
    const kernel = a.manifest.tensors[0]?.shape.reduce((x, y) => x * y, 1) ?? 0;
    expect(
      initialModel({ ...a.manifest, seed })
        .subarray(0, kernel)
        .every((w) => w !== 0),
    ).toBe(true);
    for (const trainer of [a, b, c]) trainer.dispose();
  });

  it('exported, loads with tf.loadLayersModel and predicts the same', async () => {
    const trainer = await tfjsTrainer({ model, data, backend: wasm });
    const { weights } = await trainer.train({
      weights: initialModel({ ...trainer.manifest, seed }),
      round: 1,
      epochs: 3,
      batchSize: 5,
      learningRate: 0.1,
      seed,
    });
    const files = exportTfjs(trainer.manifest, weights, trainer.topology);
    const { modelTopology, weightsManifest, format } = JSON.parse(
      new TextDecoder().decode(files['model.json']),
    ) as {
      modelTopology: object;
      format: string;
      weightsManifest: { weights: Tfjs.io.WeightsManifestEntry[] }[];
    };
    const { tf } = wasm;
    const loaded = await tf.loadLayersModel({
      load: () =>
        Promise.resolve({
          modelTopology,
          format,
          weightSpecs: weightsManifest[0]?.weights ?? [],
          weightData: files['weights.bin'].buffer as ArrayBuffer,
        }),
    });
    const outputs = loaded.predict(tf.tensor2d(data.features, [10, 6])) as Tfjs.Tensor2D;
    const best = [...outputs.argMax(1).dataSync()];
    const correct = best.filter((label, i) => label === data.labels[i]).length;
    expect((await trainer.evaluate(weights)).correct).toBe(correct);
    const flat = loaded.getWeights().flatMap((tensor) => [...tensor.dataSync()]);
    expect(Float32Array.from(flat)).toEqual(weights);
    expect(() => exportTfjs(trainer.manifest, weights.slice(1), trainer.topology)).toThrow(
      expect.objectContaining({ code: 'tensor_mismatch' }),
    );
    trainer.dispose();
  });
});

describe('models by name or topology', () => {
  it('knows its names only', () => {
    expect(modelByName('mlp-2nn')).toBeTypeOf('function');
    for (const name of ['nothing', 'toString', '__proto__'])
      expect(() => modelByName(name)).toThrow(expect.objectContaining({ code: 'model_malformed' }));
  });

  it('a trainer refuses data that does not fit, and keeps nothing of the model', async () => {
    const before = wasm.tf.memory().numTensors;
    const options = { model: modelByName('mlp-2nn'), data, backend: wasm };
    await expect(tfjsTrainer(options)).rejects.toMatchObject({ code: 'data_unfit' });
    expect(wasm.tf.memory().numTensors).toBe(before);
  });

  it.each([
    ['nothing', {}],
    ['an unknown class', { class_name: 'Unheard', config: {} }],
    [
      'an unknown layer',
      { class_name: 'Sequential', config: { layers: [{ class_name: 'No', config: {} }] } },
    ],
  ])('refuses %s', async (_, topology) => {
    await expect(modelFromTopology(topology)(wasm.tf)).rejects.toMatchObject({
      code: 'model_malformed',
    });
  });
});
