/**
 * Built-in models for examples of any shape train on wasm as in plain JavaScript; a model that is
 * brought says its own shapes, and what contradicts it is refused with both sides named.
 */
import { describe, expect, it } from 'vitest';
import type * as Tfjs from '@tensorflow/tfjs';
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { randomStream } from '../../client/random.ts';
import { beginningOf } from '../../client/run-start.ts';
import { chooseModel, type ExampleShape } from '../../client/tfjs/choose-model.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';

const seed = new Uint8Array(32).fill(4);
const EXAMPLES = 4;

const examplesOf = ({ featureShape, classes, targets = 1, task }: ExampleShape): Dataset => {
  const stream = randomStream(seed, 'features');
  const length = EXAMPLES * featureShape.reduce((a, b) => a * b, 1);
  const features = Float32Array.from({ length }, () => stream.uint32() / 2 ** 31 - 1);
  if (classes === undefined)
    return createDataset({
      features,
      featureShape,
      labels: Float32Array.from({ length: EXAMPLES * targets }, (_, i) => i / 5),
    });
  const each = task === 'sequence' ? (featureShape[0] ?? 1) : 1;
  const labels = Int32Array.from({ length: EXAMPLES * each }, (_, i) => i % classes);
  return createDataset({ features, featureShape, labels, classes });
};

const trained = async (name: string, shape: ExampleShape, prefer: 'wasm' | 'cpu') => {
  const trainer = await tfjsTrainer({
    model: chooseModel(name, shape).build,
    data: examplesOf(shape),
    backend: { prefer },
    ...(shape.task === undefined ? {} : { task: shape.task }),
  });
  try {
    const weights = initialModel({ ...trainer.manifest, seed });
    const request = { weights, round: 1, epochs: 2, batchSize: 2, learningRate: 0.1, seed };
    return { ...(await trainer.train(request)), backend: trainer.backend };
  } finally {
    trainer.dispose();
  }
};

describe('built-in models', () => {
  it.each<[string, ExampleShape]>([
    ['resnet-8:4', { featureShape: [9, 8, 3], classes: 3 }],
    ['cnn:4,6,8', { featureShape: [8, 8, 1], classes: 3 }],
    ['gru:5', { featureShape: [6, 3], classes: 2, task: 'binary' }],
    ['gru:4,5', { featureShape: [7], targets: 2 }],
    ['transformer:8,2,1', { featureShape: [5, 3], classes: 3 }],
    ['transformer:8,4,2', { featureShape: [5, 3], classes: 3, task: 'sequence' }],
    ['transformer:8,2,1', { featureShape: [4, 4, 2], targets: 1 }],
  ])('%s of %j trains on wasm as in plain JavaScript', async (name, shape) => {
    const [wasm, plain] = [await trained(name, shape, 'wasm'), await trained(name, shape, 'cpu')];
    expect(wasm.backend).toContain('recorded once');
    const worst = wasm.weights.reduce(
      (most, weight, i) => Math.max(most, Math.abs(weight - (plain.weights[i] ?? Number.NaN))),
      0,
    );
    expect(worst).toBeLessThan(1e-4);
    expect(wasm.lossSum).toBeCloseTo(plain.lossSum, 3);
  });

  it.each([
    ['resnet-9', { featureShape: [8, 8, 1], classes: 2 }, /expected a model\.json or one of/u],
    ['gru:', { featureShape: [8], classes: 2 }, /expected a model\.json or one of/u],
    ['resnet-8', { featureShape: [30], classes: 2 }, /expected images/u],
    ['transformer:10,4', { featureShape: [8], classes: 2 }, /heads divide/u],
    ['cnn:4,4', { featureShape: [8, 8, 1], classes: 2 }, /expected a model\.json or one of/u],
  ])('%s of %j is refused', (name, shape, reason) => {
    expect(() => chooseModel(name, shape)).toThrow(reason);
  });
});

describe('a model that is brought', () => {
  const own = (tf: typeof Tfjs) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, activation: 'relu', inputShape: [6] }),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
  const KERAS = 'test/client/keras/keras3-seq.json';

  it('is a function or a file, with nothing else to say', async () => {
    const { model } = await beginningOf({ model: own });
    expect(model).toMatchObject({ architecture: 'custom', topology: expect.any(String) });
    expect(model.tensors.map(({ shape }) => shape)).toEqual([[6, 4], [4], [4, 3], [3]]);
    const keras = await beginningOf({ model: KERAS });
    expect(keras.model.tensors.map(({ name }) => name)).toEqual([
      'dense/kernel',
      'dense/bias',
      'dense_1/kernel',
      'dense_1/bias',
    ]);
    const agreed = await beginningOf({ model: KERAS, inputs: 4, classes: 3 });
    expect(agreed.model).toEqual(keras.model);
  });

  it.each([
    [{ model: KERAS, inputs: 5 }, /--model \S+ takes examples of shape \[4\], and .* have \[5\]/u],
    [{ model: KERAS, classes: 4 }, /--model \S+ has 3 outputs, and the data needs 4/u],
    [
      { model: own, task: { type: 'binary' as const } },
      /the model has 3 outputs, and binary needs 1/u,
    ],
    [
      { model: 'test/client/keras/keras3-lambda.json' },
      /keras3-lambda\.json: Lambda "twice" is code/u,
    ],
    [{ model: 'test/client/keras.test.ts.json' }, /keras\.test\.ts\.json/u],
  ])('%j is refused', async (settings, reason) => {
    await expect(beginningOf(settings)).rejects.toThrow(reason);
  });
});
