/**
 * @module Recorded steps: what is recorded of each kind of layer, and replays on WebGPU (any
 * adapter, a software one too; skipped where there is none) against the same training step by step
 * in plain JavaScript.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { ALL_MODELS, SMALL_MODELS, examplesFor } from '../../bench/gpu-models.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { PLAIN_SGD } from '../../client/optimizer.ts';
import { planOf } from '../../client/recorded/plan.ts';
import { record } from '../../client/recorded/record.ts';
import { randomStream, permutation } from '../../client/random.ts';
import { openGpu } from '../../client/recorded/webgpu/device.ts';
import { mayHaveDriver } from '../../client/recorded/webgpu/vulkan.ts';
import { selectBackend } from '../../client/tfjs/backends.ts';
import { gather } from '../../client/tfjs/engine.ts';
import { targetsOf } from '../../client/tfjs/losses.ts';
import { cnn, mlp2nn } from '../../client/tfjs/models.ts';
import { objectiveOf } from '../../client/tfjs/objective.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { cpu, expectEagerResults, wasm, worst } from './engines.ts';
import { ifThere } from './optional.ts';
import { createBuffers, runReference } from './recorded-reference.ts';

const gpu = await ifThere(openGpu({ software: true }));
gpu?.destroy();
const adapter = gpu?.name;

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
/** A model of classes. */
const aim = (model: Tfjs.LayersModel) => objectiveOf(cpu.tf, model, { labels: new Int32Array(1) });

describe('recording', () => {
  it.each(ALL_MODELS)('$name: a step and a forward pass, the weights left alone', async (small) => {
    const model = await small.model(cpu.tf);
    const before = model.getWeights().map((weight) => weight.dataSync<'float32'>().slice());
    const common = { tf: cpu.tf, model, objective: aim(model), size: 3 };
    const step = record({ ...common, optimizer: PLAIN_SGD });
    const forward = record(common);
    expect(step.updates.length).toBeGreaterThanOrEqual(model.trainableWeights.length);
    expect(forward.updates).toEqual([]);
    expect(planOf(forward).nodes.length).toBeLessThan(planOf(step).nodes.length);
    expect(model.getWeights().map((weight) => weight.dataSync())).toEqual(before);
    expect(cpu.tf.getBackend()).toBe('cpu');
    model.dispose();
  });

  it('fuses the 2NN into one node for each product and bias, and updates in place', () => {
    const model = mlp2nn(cpu.tf);
    const program = record({
      tf: cpu.tf,
      model,
      objective: aim(model),
      size: 10,
      optimizer: PLAIN_SGD,
    });
    const plan = planOf(program);
    expect(plan.nodes.filter(({ type }) => type === 'matMul')).toHaveLength(8);
    expect(plan.nodes.length).toBeLessThanOrEqual(15);
    for (const { target, source } of program.updates)
      expect(plan.bufferOf[source]).toBe(plan.bufferOf[target]);
    model.dispose();
  });

  it('leaks no tensors, and keeps momentum and Adam as state', () => {
    const model = cnn(cpu.tf);
    const count = cpu.tf.memory().numTensors;
    const common = { tf: cpu.tf, model, objective: aim(model), size: 2 };
    const momentum = record({
      ...common,
      optimizer: { rule: { type: 'momentum', momentum: 0.9 }, weightDecay: 0 },
    });
    const adam = record({
      ...common,
      optimizer: {
        rule: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
        weightDecay: 0,
      },
    });
    expect(momentum.state).toHaveLength(8);
    // Two for each tensor, and how far the running means have come.
    expect(adam.state).toHaveLength(18);
    expect(cpu.tf.memory().numTensors).toBe(count);
    model.dispose();
  });

  it('names what cannot be recorded', () => {
    const { tf } = cpu;
    class Reading extends tf.layers.Layer {
      static className = 'Reading';
      override call(inputs: Parameters<typeof tf.layers.Layer.prototype.call>[0]) {
        const [x] = Array.isArray(inputs) ? inputs : [inputs];
        if (x === undefined) throw new Error('no input');
        return x.mul(x.max().dataSync()[0] ?? 1);
      }
    }
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, inputShape: [2] }), new Reading({})],
    });
    const objective = objectiveOf(tf, model, { labels: new Int32Array(1) }, { outputs: 'logits' });
    expect(() => record({ tf, model, objective, size: 2 })).toThrow(
      'it reads a number that it computed',
    );
    model.dispose();
  });
});

describe('replay by the reference executor', () => {
  it.each(ALL_MODELS)('$name: the weights of eager training', async (small) => {
    const { tf } = cpu;
    const size = 4;
    const model = await small.model(tf);
    const data = examplesFor(small, 3 * size);
    const trainer = await tfjsTrainer({ model: small.model, data, backend: cpu });
    const { manifest } = trainer;
    const objective = aim(model);
    const program = record({ tf, model, objective, size, optimizer: PLAIN_SGD });
    const plan = planOf(program);
    const buffers = createBuffers(plan);
    const weights = initialModel({ ...manifest, seed });
    let at = 0;
    for (const buffer of plan.weights) {
      const own = buffers[buffer] ?? new Float32Array();
      own.set(weights.subarray(at, at + own.length));
      at += own.length;
    }
    const round = { weights, round: 1, epochs: 1, batchSize: size, learningRate: 0.1, seed };
    const expected = await trainer.train(round);
    const order = permutation(data.size, randomStream(seed, 'shuffle/1/0'));
    const stream = randomStream(seed, 'layers/1');
    const dropouts = model.layers.filter((layer) => layer.getClassName() === 'Dropout').length;
    buffers[plan.learningRate ?? -1]?.set([0.1]);
    for (let start = 0; start < data.size; start += size) {
      const { features, labels } = gather(data, order.subarray(start, start + size));
      buffers[plan.features]?.set(features);
      buffers[plan.targets ?? -1]?.set(targetsOf(objective, labels, size));
      const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
      for (const draw of plan.draws)
        buffers[draw.buffer]?.set(
          tf.randomUniform([draw.size], 0, 1, 'float32', seeds[draw.layer]).dataSync(),
        );
      runReference(plan, buffers);
    }
    const actual = plan.weights.flatMap((buffer) => [...(buffers[buffer] ?? [])]);
    expect(actual).toHaveLength(expected.weights.length);
    expect(worst(Float32Array.from(actual), expected.weights)).toBeLessThan(2e-6);
    model.dispose();
    trainer.dispose();
  });
});

describe('gradients of recorded steps', () => {
  // Batch norm and dropout train otherwise than they are evaluated; a penalty is no part of the
  // score.
  const plain = ALL_MODELS.filter(({ name }) => !/batch norm|penalty/u.test(name));

  it.each(plain)('$name: within 1e-3 of central differences', async (small) => {
    const size = 3;
    const model = await small.model(cpu.tf);
    const data = examplesFor(small, size);
    const trainer = await tfjsTrainer({ model: small.model, data, backend: cpu });
    const objective = aim(model);
    const plan = planOf(record({ tf: cpu.tf, model, objective, size, optimizer: PLAIN_SGD }));
    const buffers = createBuffers(plan);
    const weights = initialModel({ ...trainer.manifest, seed });
    const starts: number[] = [];
    let at = 0;
    for (const buffer of plan.weights) {
      const own = buffers[buffer] ?? new Float32Array();
      own.set(weights.subarray(at, at + own.length));
      starts.push(at);
      at += own.length;
    }
    const { features, labels } = gather(
      data,
      Uint32Array.from({ length: size }, (_, i) => i),
    );
    buffers[plan.features]?.set(features);
    buffers[plan.targets ?? -1]?.set(targetsOf(objective, labels, size));
    buffers[plan.learningRate ?? -1]?.set([1]);
    runReference(plan, buffers);
    // Small, as relu and max pooling have kinks.
    const h = 5e-4;
    const lossAt = async (index: number, by: number): Promise<number> => {
      const moved = weights.map((value, i) => (i === index ? value + by : value));
      return (await trainer.evaluate(moved)).lossSum / size;
    };
    for (const [t, buffer] of plan.weights.entries()) {
      const after = buffers[buffer] ?? new Float32Array();
      const start = starts[t] ?? 0;
      for (const i of new Set([0, Math.floor(after.length / 2), after.length - 1])) {
        const gradient = (weights[start + i] ?? 0) - (after[i] ?? NaN);
        const slope = ((await lossAt(start + i, h)) - (await lossAt(start + i, -h))) / (2 * h);
        expect(Math.abs(gradient - slope)).toBeLessThan(1e-3);
      }
    }
    model.dispose();
    trainer.dispose();
  });
});

it('a model with a constraint trains eagerly, for its updates go through the layer', () => {
  const { tf } = cpu;
  const constrained = tf.sequential({
    layers: [
      tf.layers.dense({
        inputShape: [3],
        units: 2,
        kernelConstraint: tf.constraints.nonNeg(),
        activation: 'softmax',
      }),
    ],
  });
  const objective = aim(constrained);
  expect(() => record({ tf, model: constrained, objective, size: 2 })).toThrow(/constraint/u);
  constrained.dispose();
});

describe('looking for a Vulkan driver', () => {
  const at = (folder: string) => (asked: string) => (asked === folder ? ['nvidia_icd.json'] : []);
  const linux = { platform: 'linux', env: { HOME: '/home/a' } };

  it('finds manifests where the loader looks, and those that the environment names', () => {
    expect(mayHaveDriver({ ...linux, list: at('/usr/share/vulkan/icd.d') })).toBe(true);
    expect(mayHaveDriver({ ...linux, list: at('/home/a/.local/share/vulkan/icd.d') })).toBe(true);
    expect(mayHaveDriver({ ...linux, list: at('/opt/vulkan/icd.d') })).toBe(false);
    const named = { ...linux, env: { VK_DRIVER_FILES: '/opt/nvidia.json' }, list: () => [] };
    expect(mayHaveDriver(named)).toBe(true);
  });

  it('leaves other systems to Dawn', () => {
    expect(mayHaveDriver({ platform: 'darwin', env: {}, list: () => [] })).toBe(true);
  });
});

describe('replay on WebAssembly', () => {
  it.each(ALL_MODELS)('$name: the weights of eager training', (small) =>
    expectEagerResults(
      small,
      { backend: wasm, denseFastPath: false },
      { says: 'recorded once', tolerance: 5e-6, digits: 4 },
    ),
  );
});

describe('batches of many sizes', () => {
  it('share one room: a remainder does not disturb the others, and memory follows the largest', async () => {
    const [small] = SMALL_MODELS.slice(1);
    if (small === undefined) throw new Error('no model');
    const options = { model: small.model, backend: wasm };
    const whole = await tfjsTrainer({ ...options, data: examplesFor(small, 12) });
    const weights = initialModel({ ...whole.manifest, seed });
    const common = { weights, round: 1, epochs: 1, learningRate: 0.1, seed };
    const before = await whole.train({ ...common, batchSize: 12 });
    for (const batchSize of [1, 2, 5, 7]) await whole.train({ ...common, batchSize });
    const after = await whole.train({ ...common, batchSize: 12 });
    expect(worst(after.weights, before.weights)).toBe(0);
    whole.dispose();
  });
});

describe.skipIf(adapter === undefined)(
  `replay on WebGPU (${adapter ?? 'needs an adapter'})`,
  () => {
    it.each(SMALL_MODELS)(
      '$name: the weights of eager training',
      { timeout: 120_000 },
      async (small) => {
        const backend = await selectBackend({ prefer: 'webgpu', softwareGpu: true });
        const bounds = { says: 'recorded once', tolerance: 2e-5, digits: 3 };
        await expectEagerResults(small, { backend }, bounds);
      },
    );
  },
);
