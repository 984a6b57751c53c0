/**
 * @module The step that is tried when a trainer is made: kernels that the wasm backend lacks come
 * from plain JavaScript and are named; a model that cannot train is refused at once.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { type Backend, type Tf, selectBackend } from '../../client/tfjs/backends.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';

let wasm: Backend;
let cpu: Backend;
beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
  wasm = await selectBackend({ prefer: 'wasm' });
});

const seed = new Uint8Array(32).fill(3);
const data = createDataset({
  features: Float32Array.from({ length: 6 * 64 }, (_, i) => Math.sin(i * 0.7)),
  labels: Int32Array.from({ length: 6 }, (_, i) => i % 3),
  featureShape: [4, 4, 4],
  classes: 3,
});

/** The wasm backend of tfjs has no gradient of a depthwise convolution. */
const depthwise = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({
    layers: [
      tf.layers.depthwiseConv2d({ kernelSize: 3, activation: 'tanh', inputShape: [4, 4, 4] }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, activation: 'softmax' }),
    ],
  });

it('a kernel that is missing is taken from plain JavaScript, and the output names it', async () => {
  const trainer = await tfjsTrainer({ model: depthwise, data, backend: wasm, recorded: false });
  const reference = await tfjsTrainer({ model: depthwise, data, backend: cpu });
  expect(trainer.backend).toMatch(
    /DepthwiseConv2dNativeBackpropFilter.* run in plain JavaScript \(slow\)/u,
  );
  expect(reference.backend).not.toContain('run in plain JavaScript');
  const weights = initialModel({ ...trainer.manifest, seed });
  const request = { weights, round: 1, epochs: 2, batchSize: 4, learningRate: 0.1, seed };
  const before = wasm.tf.memory().numTensors;
  const [a, b] = [await trainer.train(request), await reference.train(request)];
  expect(wasm.tf.memory().numTensors).toBe(before);
  expect(a.weights).not.toEqual(weights);
  for (const [i, value] of a.weights.entries())
    expect(Math.abs(value - (b.weights[i] ?? NaN))).toBeLessThan(1e-5);
  trainer.dispose();
  reference.dispose();
});

it('a model that cannot train is refused when the trainer is made', async () => {
  const broken = (tf: Tf): Tfjs.LayersModel => {
    class Broken extends tf.layers.Layer {
      static className = 'Broken';
      override call(): Tfjs.Tensor {
        throw new Error('this layer does not work');
      }
      override computeOutputShape(shape: Tfjs.Shape): Tfjs.Shape {
        return shape;
      }
    }
    return tf.sequential({
      layers: [
        tf.layers.flatten({ inputShape: [4, 4, 4] }),
        new Broken({}),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
  };
  await expect(tfjsTrainer({ model: broken, data, backend: wasm })).rejects.toMatchObject({
    code: 'model_malformed',
    message: expect.stringContaining('this layer does not work') as string,
  });
});
