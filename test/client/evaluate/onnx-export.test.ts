/**
 * ONNX exports: what ONNX Runtime gives for any number of examples is what the model predicts. With
 * the layers of every kind that the recorder knows, and after a softmax that the loss takes in.
 */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../client/export/onnx.ts';
import { openPredictor } from '../../../client/evaluate/predictor.ts';
import { createDataset } from '../../../client/data/dataset.ts';
import { randomStream } from '../../../client/random.ts';
import { describeModel } from '../../../client/tfjs/describe.ts';
import { chooseModel, type ExampleShape } from '../../../client/tfjs/choose-model.ts';
import { initialModel } from '../../../protocol/model/first-model.ts';

interface Runtime {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
    ): Promise<{ run(feeds: object): Promise<{ output: { data: Float32Array; dims: number[] } }> }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

const PACKAGE = 'onnxruntime-node';
const runtime = await import(PACKAGE).then(
  (loaded: { default?: Runtime }) => loaded.default ?? (loaded as Runtime),
  () => undefined,
);
const seed = new Uint8Array(32).fill(5);
const EXAMPLES = 3;

const CASES: readonly (readonly [string, ExampleShape])[] = [
  ['mlp:6', { featureShape: [4], classes: 3 }],
  ['linear', { featureShape: [4], targets: 2 }],
  ['linear', { featureShape: [4], classes: 2, task: 'binary' }],
  ['linear', { featureShape: [4], classes: 3, task: 'multi-label' }],
  ['cnn:4,6,8', { featureShape: [8, 8, 2], classes: 3 }],
  ['resnet-8:4', { featureShape: [8, 8, 1], classes: 3 }],
  ['gru:5', { featureShape: [6, 3], classes: 3 }],
  ['transformer:8,2,1', { featureShape: [5, 3], classes: 3 }],
];

describe.skipIf(runtime === undefined)('model.onnx (needs onnxruntime-node)', () => {
  it.each(CASES)('of %s for %j gives the predictions of the model', async (name, shape) => {
    const chosen = chooseModel(name, shape);
    const manifest = await describeModel(chosen, shape, 'cpu');
    // Weights away from zero, so that nothing is hidden by symmetry.
    const weights = initialModel({ tensors: manifest.tensors, seed }).map(
      (weight, i) => Math.abs(weight) + (i % 5) / 50,
    );
    const type = shape.task ?? (shape.classes === undefined ? 'regression' : 'multi-class');
    const init = { model: chosen.build, manifest, weights, task: { type } };
    const size = EXAMPLES * shape.featureShape.reduce((a, b) => a * b, 1);
    const stream = randomStream(seed, 'inputs');
    const features = Float32Array.from({ length: size }, () => stream.uint32() / 2 ** 31 - 1);
    const predictor = await openPredictor({ ...init, backend: 'cpu' });
    const data = createDataset({
      features,
      labels: new Int32Array(EXAMPLES),
      featureShape: shape.featureShape,
    });
    const expected = await predictor.predict(data);
    predictor.dispose();
    const { InferenceSession, Tensor } = runtime as Runtime;
    const session = await InferenceSession.create(await exportOnnx(init, { 'floe.round': '3' }));
    const input = new Tensor('float32', features, [EXAMPLES, ...shape.featureShape]);
    const { output } = await session.run({ input });
    const given = type === 'binary' ? expected.filter((_, i) => i % 2 === 1) : expected;
    expect(output.dims).toEqual([EXAMPLES, given.length / EXAMPLES]);
    for (const [i, value] of output.data.entries()) expect(value).toBeCloseTo(given[i] ?? 0, 5);
  });
});
