/**
 * @module Recorded steps on ONNX Runtime: against eager training over every kind of layer, and
 * against the reference executor over random windows, strides and optimisers. Skipped by name where
 * the optional package onnxruntime-node is not installed; that plans become graphs is tested
 * everywhere.
 */
import * as fc from 'fast-check';
import type * as Tfjs from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { ALL_MODELS, examplesFor } from '../../bench/gpu-models.ts';
import { type Optimizer, PLAIN_SGD } from '../../client/optimizer.ts';
import { randomStream } from '../../client/random.ts';
import { createBuilder } from '../../client/recorded/onnx/builder.ts';
import { compileOnnx } from '../../client/recorded/onnx/compile.ts';
import { modelBytes } from '../../client/recorded/onnx/proto.ts';
import { type OnnxRuntime, createOnnxSession } from '../../client/recorded/onnx/session.ts';
import { viewTensor } from '../../client/recorded/onnx/views.ts';
import { type Plan, planOf } from '../../client/recorded/plan.ts';
import { record } from '../../client/recorded/record.ts';
import { type Backend, selectBackend } from '../../client/tfjs/backends.ts';
import type { ModelFunction } from '../../client/tfjs/models.ts';
import { objectiveOf } from '../../client/tfjs/objective.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { cpu, expectEagerResults, worst } from './engines.ts';
import { ifThere } from './optional.ts';
import { createBuffers, runReference } from './recorded-reference.ts';

const onnx = await ifThere(selectBackend({ prefer: 'onnx' }));

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);

const randomFloats = (size: number, label: string): Float32Array => {
  const stream = randomStream(seed, label);
  return Float32Array.from({ length: size }, () => stream.uint32() / 2 ** 31 - 1);
};

const runtimeOf = (backend: Backend | undefined): OnnxRuntime => {
  if (backend?.onnx === undefined) throw new Error('no runtime');
  return backend.onnx;
};

const SIZE = 3;

const planFor = (model: Tfjs.LayersModel, optimizer: Optimizer = PLAIN_SGD): Plan => {
  const objective = objectiveOf(cpu.tf, model, { labels: new Int32Array(1) });
  return planOf(record({ tf: cpu.tf, model, objective, size: SIZE, optimizer }));
};

/** Weights after `steps` steps on numbers of their own, by the reference and by the runtime. */
const both = async (plan: Plan, steps: number): Promise<readonly [Float32Array, Float32Array]> => {
  const sizes = plan.weights.map((buffer) => plan.buffers[buffer] ?? 0);
  const weights = randomFloats(
    sizes.reduce((a, b) => a + b, 0),
    'weights',
  ).map((value) => value / 3);
  const perStep = (buffer: number, label: string): readonly [number, Float32Array] => [
    buffer,
    randomFloats((plan.buffers[buffer] ?? 0) * steps, label),
  ];
  const given = new Map([
    perStep(plan.features, 'features'),
    ...(plan.targets === undefined ? [] : [perStep(plan.targets, 'targets')]),
    ...(plan.learningRate === undefined
      ? []
      : [[plan.learningRate, new Float32Array(steps).fill(0.05)] as const]),
  ]);
  const buffers = createBuffers(plan);
  let from = 0;
  for (const buffer of plan.weights) {
    const own = buffers[buffer] ?? new Float32Array();
    own.set(weights.subarray(from, from + own.length));
    from += own.length;
  }
  for (let step = 0; step < steps; step++) {
    for (const [buffer, numbers] of given) {
      const own = buffers[buffer] ?? new Float32Array();
      own.set(numbers.subarray(step * own.length, (step + 1) * own.length));
    }
    runReference(plan, buffers);
  }
  const session = createOnnxSession(runtimeOf(onnx), sizes);
  session.load(weights);
  const replay = await session.prepare(plan, compileOnnx(plan));
  await replay.run(steps, given);
  await replay.dispose();
  const expected = plan.weights.flatMap((buffer) => [...(buffers[buffer] ?? [])]);
  expect(worst(session.read(), weights)).toBeGreaterThan(1e-4);
  return [session.read(), Float32Array.from(expected)];
};

describe('plans as ONNX graphs', () => {
  it.each(ALL_MODELS)('$name: a step has a graph', async (small) => {
    const model = await small.model(cpu.tf);
    const compiled = compileOnnx(planFor(model));
    expect(compiled.kept.length).toBeGreaterThan(0);
    expect(compiled.model.length).toBeGreaterThan(1000);
    model.dispose();
  });
});

describe.skipIf(onnx === undefined)('replay on ONNX Runtime (needs onnxruntime-node)', () => {
  it.each(ALL_MODELS)('$name: the weights of eager training', (small) =>
    expectEagerResults(
      small,
      { backend: onnx as Backend },
      { says: 'run as one graph', tolerance: 5e-6, digits: 4 },
    ),
  );

  const dense: ModelFunction = (tf) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 5, activation: 'relu', inputShape: [6] }),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });

  it.each([
    { type: 'momentum', momentum: 0.9 },
    { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    { type: 'adamw', beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
  ] as const)('$type keeps its state from step to step', async (rule) => {
    const model = await dense(cpu.tf);
    const [actual, expected] = await both(
      planFor(model, { rule, weightDecay: 0.01, clipGradient: 1 }),
      4,
    );
    expect(worst(actual, expected)).toBeLessThan(1e-5);
    model.dispose();
  });

  it('frozen layers stay, bit for bit', async () => {
    const model = await dense(cpu.tf);
    const [first] = model.layers;
    if (first !== undefined) first.trainable = false;
    const [actual, expected] = await both(planFor(model), 3);
    // Weights that are not trained are the last of a model.
    const frozen = first?.countParams() ?? 0;
    expect(frozen).toBeGreaterThan(0);
    expect(worst(actual.subarray(-frozen), expected.subarray(-frozen))).toBe(0);
    expect(worst(actual, expected)).toBeLessThan(1e-5);
    model.dispose();
  });

  it('convolutions and poolings of any stride, size and padding', async () => {
    const small = fc.integer({ min: 1, max: 3 });
    const padding = fc.constantFrom('same', 'valid');
    const shape = fc.record({
      height: fc.integer({ min: 7, max: 9 }),
      kernel: small,
      strides: small,
      padding,
      pool: fc.integer({ min: 2, max: 3 }),
      poolStrides: small,
      poolPadding: padding,
      average: fc.boolean(),
      depthwise: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(shape, async (s) => {
        const { layers } = cpu.tf;
        const common = {
          kernelSize: [s.kernel, 3] as [number, number],
          strides: s.strides,
          padding: s.padding,
        };
        const pooling = {
          poolSize: s.pool,
          strides: s.poolStrides,
          padding: s.poolPadding,
        };
        const model = cpu.tf.sequential({
          layers: [
            layers.conv2d({
              filters: 4,
              kernelSize: 2,
              activation: 'tanh',
              inputShape: [s.height, 8, 2],
              padding: 'same',
            }),
            s.depthwise
              ? layers.depthwiseConv2d({ ...common, depthMultiplier: 2 })
              : layers.conv2d({ ...common, filters: 3, activation: 'relu' }),
            s.average
              ? layers.averagePooling2d({ ...pooling, padding: 'same' })
              : layers.maxPooling2d({ ...pooling, padding: 'same' }),
            layers.flatten(),
            layers.dense({ units: 3, activation: 'softmax' }),
          ],
        });
        const [actual, expected] = await both(planFor(model), 2);
        expect(worst(actual, expected)).toBeLessThan(1e-4);
        model.dispose();
      }),
      { numRuns: 12, seed: 7 },
    );
  });

  it('views of any order, step and range', async () => {
    const { InferenceSession, Tensor } = runtimeOf(onnx);
    const cases = [
      { shape: [3, 4], offset: 0, strides: [1, 3] },
      { shape: [2, 2], offset: 5, strides: [4, 1] },
      { shape: [3, 2], offset: 1, strides: [4, 2] },
      { shape: [4, 3], offset: 11, strides: [-3, -1] },
      { shape: [5, 3], offset: 0, strides: [1, 2] },
      { shape: [2, 3, 4], offset: 4, strides: [0, 0, 1] },
      {
        shape: [5, 6],
        offset: -5,
        strides: [4, 1],
        clip: {
          ranges: [
            [1, 4],
            [1, 5],
          ] as const,
          fill: 7,
        },
      },
    ];
    const data = Float32Array.from({ length: 12 }, (_, i) => i + 1);
    for (const { shape, ...view } of cases) {
      const builder = createBuilder(() => ({ type: 'input', size: 12 }));
      const part = viewTensor(builder, { value: 0, ...view }, 12, shape);
      const full = builder.op('Expand', [part.name, builder.integers(shape)], shape);
      const graph = builder.finish(
        [...builder.inputs.values()],
        [{ name: full.name, dims: shape }],
      );
      const session = await InferenceSession.create(modelBytes(graph), {});
      const [port] = builder.inputs.values();
      const result = await session.run({
        [port?.name ?? '']: new Tensor('float32', data, port?.dims ?? []),
      });
      const expected = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, e) => {
        let rest = e;
        const at = shape.map(() => 0);
        for (let dim = shape.length - 1; dim >= 0; dim--) {
          at[dim] = rest % (shape[dim] ?? 1);
          rest = Math.floor(rest / (shape[dim] ?? 1));
        }
        const inside = view.clip?.ranges.every(
          ([from, to], dim) => (at[dim] ?? 0) >= from && (at[dim] ?? 0) < to,
        );
        if (inside === false) return view.clip?.fill;
        return data[at.reduce((sum, x, dim) => sum + x * (view.strides[dim] ?? 0), view.offset)];
      });
      expect(result[full.name]?.data).toEqual(Float32Array.from(expected, (each) => each ?? NaN));
      await session.release();
    }
  });

  it('what has no operator is named, and trains on wasm', async () => {
    const { tf } = cpu;
    class Angle extends tf.layers.Layer {
      static className = 'Angle';
      override call(inputs: Tfjs.Tensor | Tfjs.Tensor[]): Tfjs.Tensor {
        const [x] = Array.isArray(inputs) ? inputs : [inputs];
        return tf.atan2(x as Tfjs.Tensor, tf.scalar(2));
      }
    }
    const model: ModelFunction = (own) =>
      own.sequential({
        layers: [
          own.layers.dense({ units: 4, inputShape: [6] }),
          new Angle({}),
          own.layers.dense({ units: 4, activation: 'softmax' }),
        ],
      });
    const data = examplesFor({ name: 'angle', model, featureShape: [6] }, 8);
    const trainer = await tfjsTrainer({ model, data, backend: onnx as Backend });
    expect(trainer.backend).toContain('not atan2 on ONNX, so that it trains on wasm');
    expect(trainer.backend).toContain('recorded once and replayed');
    trainer.dispose();
  });
});
