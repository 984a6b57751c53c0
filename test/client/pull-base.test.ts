/**
 * A pulled model of a run over a frozen base as a tfjs model: refused without the base, because it
 * would lack most of its weights; whole with it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { baseOf, hashBase, travellingManifest } from '../../client/adapters/base.ts';
import { readBase } from '../../client/adapters/base-file.ts';
import { withAdapters } from '../../client/adapters/with-adapters.ts';
import { savePulled, writeModel } from '../../client/reader/write-model.ts';
import { selectBackend } from '../../client/tfjs/backends.ts';
import { topologyOf } from '../../client/tfjs/topology.ts';
import { isThere } from '../../protocol/ports/files.ts';
import { encodeSafetensors, parameterCount } from '../../protocol/model/index.ts';
import { testSpec } from '../support/run.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-base-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A run over a base, one of its models, and what the adapted model gives for an example. */
const prepare = async () => {
  const { tf } = await selectBackend({ prefer: 'cpu' });
  const plain = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'first', units: 4, activation: 'tanh', inputShape: [3] }),
      tf.layers.dense({ name: 'head', units: 2, activation: 'softmax' }),
    ],
  });
  for (const [i, weight] of plain.weights.entries())
    tf.tidy(() => {
      weight.write(tf.randomUniform(weight.shape as number[], -1, 1, 'float32', i + 1));
    });
  const adapted = await withAdapters(tf, plain, { rank: 2, targets: ['first'], heads: ['head'] });
  const manifest = travellingManifest(adapted);
  const weights = Float32Array.from({ length: parameterCount(manifest) }, (_, i) => Math.sin(i));
  const base = baseOf(adapted);
  let at = 0;
  for (const weight of adapted.trainableWeights) {
    const { shape, size } = weight.read();
    const values = weights.slice(at, (at += size));
    tf.tidy(() => {
      weight.write(tf.tensor(values, shape));
    });
  }
  const input = tf.tensor2d([[0.3, -0.5, 0.9]]);
  const predict = (model: typeof adapted) =>
    tf.tidy(() => (model.predict(input) as typeof input).dataSync<'float32'>());
  const { model } = await testSpec();
  const spec = await testSpec({
    model: {
      ...model,
      architecture: 'custom',
      topology: JSON.stringify(topologyOf(adapted)),
      tensors: manifest.tensors.map(({ name, shape, dtype }) => ({
        name,
        shape: [...shape],
        dtype,
      })),
      base: { hash: hashBase(base) },
    },
  });
  const run = {
    spec,
    pull: async () => ({
      model: { version: 1, hash: new Uint8Array(32) } as never,
      round: 1,
      weights,
      state: new Float32Array(),
    }),
  };
  return { tf, run, base, weights, predict, wanted: predict(adapted) };
};

it('is refused without the base, before a file is written', async () => {
  const { run, weights, base } = await prepare();
  const out = join(folder, 'none');
  await expect(savePulled(run, out, { tfjs: true })).rejects.toThrow(/base_mismatch|frozen base/u);
  await expect(savePulled(run, out, { tfjs: true })).rejects.toMatchObject({
    code: 'base_mismatch',
  });
  await expect(writeModel(out, run.spec, weights, {})).rejects.toMatchObject({
    code: 'base_mismatch',
  });
  const other = { ...base, flat: base.flat.map((value) => value + 1) };
  await expect(savePulled(run, out, { tfjs: true, base: other })).rejects.toMatchObject({
    code: 'base_mismatch',
  });
  await expect(savePulled(run, out, { base })).rejects.toMatchObject({ code: 'usage' });
  expect(await isThere(out)).toBe(false);
  // What the run trained can be had without.
  expect((await savePulled(run, out)).tfjs).toBeUndefined();
});

it('holds base and adapters with it, and stock tfjs reads it', async () => {
  const { tf, run, base, wanted, predict } = await prepare();
  const file = join(folder, 'base.safetensors');
  await writeFile(file, encodeSafetensors(base.manifest, base.flat));
  const read = await readBase('--base', file);
  const { tfjs } = await savePulled(run, join(folder, 'whole'), { tfjs: true, base: read });
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(tfjs ?? '', 'utf8')) as {
    modelTopology: object;
    weightsManifest: [{ weights: never[] }];
  };
  const data = await readFile(join(folder, 'whole/tfjs/weights.bin'));
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.length),
    }),
  );
  const got = predict(model);
  expect(got).toHaveLength(2);
  got.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 5));
});
