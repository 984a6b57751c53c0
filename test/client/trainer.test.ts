/**
 * @module The tfjs trainer: it learns, repeats itself byte for byte, leaks nothing, stops when told
 * to; the dense path against the general one, and that against tfjs's own optimiser.
 */
import { initialModel } from '../../protocol/model/first-model.ts';
import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type * as Tfjs from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, createDataset, subset } from '../../client/data/dataset.ts';
import { parameterCount } from '../../protocol/model/manifest.ts';
import { loadMnist } from '../../client/data/mnist-node.ts';
import { type Backend, type Tf, selectBackend } from '../../client/tfjs/backends.ts';
import { cnn, mlp2nn } from '../../client/tfjs/models.ts';
import { type TfjsTrainerOptions, tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { type TrainRequest, functionTrainer } from '../../client/trainer.ts';
import { randomStream } from '../../client/random.ts';

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
let mnist: Dataset;
let wasm: Backend;

beforeAll(async () => {
  mnist = await loadMnist('test');
  wasm = await selectBackend({ prefer: 'wasm' });
});

const first = (count: number): Dataset => subset(mnist, [...Array(count).keys()]);

const request = (weights: Float32Array, more: Partial<TrainRequest> = {}): TrainRequest => ({
  weights,
  round: 1,
  epochs: 1,
  batchSize: 10,
  learningRate: 0.1,
  seed,
  ...more,
});

/** SHA-256 of the bytes: a difference of two long arrays takes vitest minutes to print. */
const hash = (weights: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
    .digest('hex');

const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? NaN))), 0);

/** Two inputs, five numbers each, with a target that a linear model can reach. */
const regression = (): Dataset => {
  const stream = randomStream(seed, 'regression');
  const features = Float32Array.from({ length: 200 }, () => stream.uint32() / 2 ** 32);
  const labels = Float32Array.from({ length: 40 }, (_, i) => {
    const row = features.subarray(i * 5, i * 5 + 5);
    return row.reduce((sum, value, j) => sum + value * (j - 2), 0.5);
  });
  return createDataset({ features, labels, featureShape: [5] });
};

describe('the models of McMahan et al.', () => {
  it('have the published numbers of parameters', async () => {
    const data = first(10);
    const two = await tfjsTrainer({ model: mlp2nn, data, backend: wasm });
    const convolutional = await tfjsTrainer({ model: cnn, data, backend: wasm });
    expect(parameterCount(two.manifest)).toBe(199_210);
    expect(parameterCount(convolutional.manifest)).toBe(1_663_370);
    expect(two.manifest.tensors.map(({ name }) => name)).toEqual(
      ['hidden1', 'hidden2', 'output'].flatMap((layer) => [`${layer}/kernel`, `${layer}/bias`]),
    );
    two.dispose();
    convolutional.dispose();
  });
});

describe.each([true, false])('2NN with denseFastPath %s', (denseFastPath) => {
  const make = async (data: Dataset): ReturnType<typeof tfjsTrainer> =>
    tfjsTrainer({ model: mlp2nn, data, backend: wasm, denseFastPath });

  it('learns: the loss falls, accuracy rises', async () => {
    const trainer = await make(first(300));
    const start = initialModel({ ...trainer.manifest, seed });
    const before = await trainer.evaluate(start);
    const result = await trainer.train(request(start, { epochs: 5 }));
    const after = await trainer.evaluate(result.weights);
    expect(result.examples).toBe(300);
    expect(after.lossSum).toBeLessThan(before.lossSum / 3);
    expect(after.correct).toBeGreaterThan(270);
    expect(before.correct).toBeLessThan(90);
    expect(result.correct).toBeGreaterThan(before.correct);
    trainer.dispose();
  });

  it('gives the same bytes again, whatever ran in between, and others under another seed or round', async () => {
    const trainer = await make(first(60));
    const other = await make(first(30));
    const start = initialModel({ ...trainer.manifest, seed });
    const once = await trainer.train(request(start));
    await other.train(request(start, { epochs: 2 }));
    expect(hash(initialModel({ ...trainer.manifest, seed }))).toBe(hash(start));
    expect(hash((await trainer.train(request(start))).weights)).toBe(hash(once.weights));
    const lent = other.withData(first(60));
    expect(hash((await lent.train(request(start))).weights)).toBe(hash(once.weights));
    const reseeded = request(start, { seed: seed.toReversed() });
    expect(hash((await trainer.train(reseeded)).weights)).not.toBe(hash(once.weights));
    const later = request(start, { round: 2 });
    expect(hash((await trainer.train(later)).weights)).not.toBe(hash(once.weights));
    trainer.dispose();
    other.dispose();
  });

  it('takes a last batch that is not full and leaves the request alone', async () => {
    const trainer = await make(first(23));
    const start = initialModel({ ...trainer.manifest, seed });
    const copy = start.slice();
    const result = await trainer.train(request(start, { batchSize: 32 }));
    expect(hash(start)).toBe(hash(copy));
    expect(hash(result.weights)).not.toBe(hash(copy));
    // One full batch: the loss before the step is the loss of the start.
    const { lossSum, correct } = await trainer.evaluate(start);
    expect(result.lossSum).toBeCloseTo(lossSum, 3);
    expect(result.correct).toBe(correct);
    trainer.dispose();
  });
});

describe('two contexts', () => {
  const inWorker = async (): Promise<Float32Array> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./train-worker.ts', import.meta.url));
      worker.once('message', resolve);
      worker.once('error', reject);
    });

  it('give the same bytes, in worker threads too', async () => {
    const [a, b] = [await inWorker(), await inWorker()];
    const trainer = await tfjsTrainer({ model: mlp2nn, data: first(40), backend: wasm });
    const here = await trainer.train(request(initialModel({ ...trainer.manifest, seed })));
    expect(hash(a)).toBe(hash(b));
    expect(hash(a)).toBe(hash(here.weights));
    trainer.dispose();
  });
});

type Layers = (tf: Tf) => Tfjs.LayersModel;

const stack =
  (
    activations: readonly ('relu' | 'tanh' | 'sigmoid' | 'linear' | 'softmax')[],
    outputs: number,
  ): Layers =>
  (tf) =>
    tf.sequential({
      layers: activations.map((activation, i) =>
        tf.layers.dense({
          units: i === activations.length - 1 ? outputs : 7,
          activation,
          ...(i === 0 ? { inputShape: [5] } : {}),
          useBias: i !== 1,
        }),
      ),
    });

const classes = (): Dataset => {
  const { features } = regression();
  const labels = Int32Array.from({ length: 40 }, (_, i) =>
    (features[i * 5] ?? 0) > 0.6 ? 2 : (features[i * 5 + 1] ?? 0) > 0.5 ? 1 : 0,
  );
  return createDataset({ features, labels, featureShape: [5], classes: 3 });
};

describe('the dense path', () => {
  const cases: [string, Layers, () => Dataset][] = [
    ['softmax at the end', stack(['relu', 'tanh', 'softmax'], 3), classes],
    ['logits', stack(['sigmoid', 'linear'], 3), classes],
    ['mean squared error', stack(['tanh', 'relu', 'sigmoid'], 1), regression],
    ['one layer', stack(['linear'], 1), regression],
  ];
  it.each(cases)('with %s equals tfjs on the cpu within rounding', async (_, model, data) => {
    const options = { model, data: data() };
    const dense = await tfjsTrainer({ ...options, backend: wasm });
    const cpu = await tfjsTrainer({ ...options, backend: await selectBackend({ prefer: 'cpu' }) });
    expect(dense.backend).toContain('dense layers run without tfjs');
    expect(cpu.backend).not.toContain('dense layers');
    const start = initialModel({ ...dense.manifest, seed });
    expect(hash(initialModel({ ...cpu.manifest, seed }))).toBe(hash(start));
    const ask = request(start, { epochs: 3, batchSize: 8 });
    const [a, b] = [await dense.train(ask), await cpu.train(ask)];
    expect(worst(a.weights, b.weights)).toBeLessThan(2e-6);
    expect(worst(a.weights, start)).toBeGreaterThan(1e-3);
    expect(a.lossSum).toBeCloseTo(b.lossSum, 4);
    expect(a.correct).toBe(b.correct);
    const [c, d] = [await dense.evaluate(a.weights), await cpu.evaluate(a.weights)];
    expect(c.lossSum).toBeCloseTo(d.lossSum, 4);
    dense.dispose();
    cpu.dispose();
  });

  it('is not taken for models it cannot run', async () => {
    const models: Layers[] = [
      (tf) =>
        tf.sequential({
          layers: [tf.layers.dense({ units: 1, inputShape: [5], activation: 'elu' })],
        }),
      (tf) =>
        tf.sequential({
          layers: [
            tf.layers.dense({ units: 4, inputShape: [5] }),
            tf.layers.dropout({ rate: 0.5 }),
            tf.layers.dense({ units: 1 }),
          ],
        }),
      (tf) =>
        tf.sequential({
          layers: [tf.layers.dense({ units: 1, inputShape: [5], kernelRegularizer: 'l1l2' })],
        }),
    ];
    for (const model of models) {
      const trainer = await tfjsTrainer({ model, data: regression(), backend: wasm });
      expect(trainer.backend).not.toContain('dense layers');
      trainer.dispose();
    }
  });
});

describe('the general path', () => {
  const convolutional: Layers = (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({
          filters: 4,
          kernelSize: 3,
          inputShape: [28, 28, 1],
          activation: 'relu',
        }),
        tf.layers.batchNormalization(),
        tf.layers.maxPooling2d({ poolSize: 4 }),
        tf.layers.flatten(),
        tf.layers.dropout({ rate: 0.3 }),
        tf.layers.dense({ units: 10, activation: 'softmax' }),
      ],
    });
  const small = (more: Partial<TfjsTrainerOptions> = {}): TfjsTrainerOptions => ({
    model: convolutional,
    data: first(40),
    backend: wasm,
    ...more,
  });

  it('equals one step of tf.train.sgd on the mean loss', async () => {
    const model: Layers = (tf) =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({
            filters: 3,
            kernelSize: 5,
            inputShape: [28, 28, 1],
            activation: 'tanh',
          }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 10, activation: 'softmax' }),
        ],
      });
    const trainer = await tfjsTrainer(small({ model, data: first(10) }));
    const start = initialModel({ ...trainer.manifest, seed });
    const { weights } = await trainer.train(request(start));
    const { tf } = await selectBackend({ prefer: 'cpu' });
    const reference = model(tf);
    let at = 0;
    reference.setWeights(
      trainer.manifest.tensors.map(({ shape }) => {
        const size = shape.reduce((a, b) => a * b, 1);
        at += size;
        return tf.tensor(start.slice(at - size, at), [...shape]);
      }),
    );
    reference.compile({ optimizer: tf.train.sgd(0.1), loss: 'categoricalCrossentropy' });
    const x = tf.tensor4d(mnist.features.slice(0, 7840), [10, 28, 28, 1]);
    const y = tf.oneHot(tf.tensor1d(mnist.labels.slice(0, 10), 'int32'), 10);
    await reference.trainOnBatch(x, y);
    const expected = reference.getWeights().flatMap((tensor) => [...tensor.dataSync()]);
    expect(worst(weights, Float32Array.from(expected))).toBeLessThan(1e-5);
    trainer.dispose();
  });

  it('leaks no tensor over many steps', async () => {
    const trainer = await tfjsTrainer(small());
    const start = initialModel({ ...trainer.manifest, seed });
    await trainer.train(request(start));
    const before = wasm.tf.memory().numTensors;
    const { weights } = await trainer.train(request(start, { epochs: 10 }));
    await trainer.evaluate(weights);
    initialModel({ ...trainer.manifest, seed });
    expect(wasm.tf.memory().numTensors).toBe(before);
    const alone = before - trainer.manifest.tensors.length;
    trainer.dispose();
    expect(wasm.tf.memory().numTensors).toBe(alone);
  });

  it('repeats dropout and batch normalisation byte for byte', async () => {
    const [a, b] = [await tfjsTrainer(small()), await tfjsTrainer(small())];
    expect(a.manifest).toEqual(b.manifest);
    expect(a.manifest.tensors.map(({ name }) => name)).toContain(
      'batch_normalization_1/moving_mean',
    );
    const start = initialModel({ ...a.manifest, seed });
    expect(hash(initialModel({ ...b.manifest, seed }))).toBe(hash(start));
    const once = await a.train(request(start, { epochs: 2 }));
    await b.train(request(start));
    const again = await b.train(request(start, { epochs: 2 }));
    expect(hash(again.weights)).toBe(hash(once.weights));
    a.dispose();
    b.dispose();
  });

  it('refuses noise that it cannot reproduce', async () => {
    const model: Layers = (tf) =>
      tf.sequential({
        layers: [
          tf.layers.gaussianNoise({ stddev: 1, inputShape: [5] }),
          tf.layers.dense({ units: 1 }),
        ],
      });
    await expect(tfjsTrainer({ model, data: regression(), backend: wasm })).rejects.toMatchObject({
      code: 'model_malformed',
    });
  });
});

describe('cancelling and progress', () => {
  it('stops between steps and lets timers run', async () => {
    let time = 0;
    const trainer = await tfjsTrainer({
      model: mlp2nn,
      data: first(100),
      backend: wasm,
      now: () => (time += 15),
    });
    const start = initialModel({ ...trainer.manifest, seed });
    const controller = new AbortController();
    const seen: number[] = [];
    const running = trainer.train(
      request(start, {
        epochs: 50,
        signal: controller.signal,
        onProgress: (done, total) => {
          expect(total).toBe(5000);
          seen.push(done);
        },
      }),
    );
    setTimeout(() => {
      controller.abort();
    }, 0);
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.at(-1)).toBeLessThan(5000);
    const stopped = request(start, { signal: AbortSignal.abort() });
    await expect(trainer.train(stopped)).rejects.toMatchObject({ code: 'aborted' });
    // The trainer still works.
    expect((await trainer.train(request(start))).examples).toBe(100);
    trainer.dispose();
  });

  it('refuses what cannot be trained, and says when training diverges', async () => {
    const trainer = await tfjsTrainer({ model: mlp2nn, data: first(20), backend: wasm });
    const start = initialModel({ ...trainer.manifest, seed });
    const codes = async (more: Partial<TrainRequest>, weights = start): Promise<unknown> =>
      trainer
        .train(request(weights, more))
        .catch((thrown: unknown) => (thrown as { code: string }).code);
    expect(await codes({}, start.slice(1))).toBe('tensor_mismatch');
    expect(await codes({ epochs: 0 })).toBe('trainer_failed');
    expect(await codes({ batchSize: 1.5 })).toBe('trainer_failed');
    expect(await codes({ learningRate: NaN })).toBe('trainer_failed');
    expect(await codes({ seed: new Uint8Array(16) })).toBe('trainer_failed');
    expect(
      await codes(
        {},
        start.map(() => Infinity),
      ),
    ).toBe('update_not_finite');
    trainer.dispose();
  });
});

describe('functionTrainer', () => {
  const manifest = { tensors: [{ name: 'w', shape: [2], dtype: 'float32' }] } as const;

  it('runs any function and checks what it gives', async () => {
    const trainer = functionTrainer({
      manifest,
      train: ({ weights, learningRate }) => ({
        weights: weights.map((w) => w - learningRate * w),
        examples: 3,
        lossSum: 1,
        correct: 0,
      }),
    });
    const result = await trainer.train(request(Float32Array.of(1, 2), { learningRate: 0.5 }));
    expect([...result.weights]).toEqual([0.5, 1]);
    await expect(trainer.evaluate(new Float32Array(2))).rejects.toMatchObject({
      code: 'trainer_failed',
    });
  });

  it.each([
    ['too few weights', (): Float32Array => new Float32Array(1), 'tensor_mismatch'],
    ['NaN', (): Float32Array => Float32Array.of(1, NaN), 'update_not_finite'],
    [
      'an error',
      (): Float32Array => {
        throw new RangeError('no');
      },
      'trainer_failed',
    ],
  ])('refuses %s', async (_, give, code) => {
    const trainer = functionTrainer({
      manifest,
      train: () => ({ weights: give(), examples: 1, lossSum: 0, correct: 0 }),
    });
    await expect(trainer.train(request(new Float32Array(2)))).rejects.toMatchObject({ code });
  });
});
