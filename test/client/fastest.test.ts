/** @module Choosing an engine by its speed on the model, and what is said of it. */
import { NO_SCORE } from '../../client/tfjs/losses.ts';
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { type Backend, selectBackend } from '../../client/tfjs/backends.ts';
import type { Engine } from '../../client/tfjs/engine.ts';
import { type Candidate, fastestOf } from '../../client/tfjs/fastest.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';

const data = createDataset({
  features: Float32Array.from({ length: 80 * 4 * 4 }, (_, i) => Math.sin(i)),
  labels: Int32Array.from({ length: 80 }, (_, i) => i % 3),
  featureShape: [4, 4, 1],
  classes: 3,
});

const cpu = await selectBackend({ prefer: 'cpu' });
const named = (name: Backend['name']): Backend => ({ ...cpu, name, description: `the ${name}` });

/** Engines whose passes take as long as is told, by a clock that only they move. */
const imitate = (milliseconds: Readonly<Record<string, number | Error>>) => {
  let time = 0;
  const ended: string[] = [];
  const make = async (backend: Backend): Promise<Candidate> => {
    const took = milliseconds[backend.name] ?? 1;
    const engine: Engine = {
      load: () => undefined,
      train: async () => {
        if (took instanceof Error) throw took;
        time += took;
        return Promise.resolve(NO_SCORE);
      },
      evaluate: async () => Promise.resolve(NO_SCORE),
      read: () => new Float32Array(),
      dispose: () => ended.push(backend.name),
    };
    return Promise.resolve({ engine, manifest: { tensors: [] }, backend: backend.description });
  };
  return { make, trial: { data, now: () => time }, ended };
};

describe('the fastest engine', () => {
  it('is taken, the others are named with their speed and end', async () => {
    const { make, trial, ended } = imitate({ wasm: 4, onnx: 2, tensorflow: 8 });
    const backends = [named('wasm'), named('onnx'), named('tensorflow')];
    const { backend } = await fastestOf(backends, ['webgpu (no adapter)'], make, trial);
    expect(backend).toBe(
      'the onnx; 20,000 samples/s here; not tensorflow (5,000 samples/s), ' +
        'not wasm (10,000 samples/s), not webgpu (no adapter)',
    );
    expect(ended).toEqual(['wasm', 'tensorflow']);
  });

  it('is found by a clock that a browser has rounded to milliseconds', async () => {
    const { make, trial } = imitate({ wasm: 0.1, onnx: 0.05, tensorflow: 0.2 });
    const backends = [named('wasm'), named('onnx'), named('tensorflow')];
    const coarse = { ...trial, now: () => Math.floor(trial.now()) };
    const { backend } = await fastestOf(backends, [], make, coarse);
    // 40 examples in 0.05 ms are 800,000 a second.
    expect(backend).toMatch(/^the onnx; (?:7[5-9]|8[0-5])0,000 samples\/s here/u);
    expect(backend).toMatch(/not wasm \((?:3[7-9]|4[0-3])0,000 samples/u);
  });

  it('passes over one that cannot run the model, and says why', async () => {
    const { make, trial, ended } = imitate({ wasm: 4, onnx: new Error('no such operator') });
    const { backend } = await fastestOf([named('wasm'), named('onnx')], [], make, trial);
    expect(backend).toBe('the wasm; 10,000 samples/s here; not onnx (no such operator)');
    expect(ended).toEqual(['onnx']);
  });

  it('is an error by name where none can', async () => {
    const { make, trial } = imitate({ wasm: new Error('no room'), cpu: new Error('no room') });
    await expect(fastestOf([named('wasm'), named('cpu')], [], make, trial)).rejects.toMatchObject({
      code: 'trainer_failed',
    });
  });

  it('is not looked for where one backend is fixed', async () => {
    const { make, trial } = imitate({ wasm: 4 });
    const { backend } = await fastestOf([named('wasm')], [], make, trial);
    expect(backend).toBe('the wasm');
  });
});

it('kernels that wasm has to borrow are named whenever a trainer is made', async () => {
  const make = async () =>
    tfjsTrainer({
      data,
      backend: { prefer: 'wasm' },
      recorded: false,
      model: (tf) =>
        tf.sequential({
          layers: [
            tf.layers.depthwiseConv2d({ kernelSize: 2, inputShape: [4, 4, 1] }),
            tf.layers.flatten(),
            tf.layers.dense({ units: 3, activation: 'softmax' }),
          ],
        }),
    });
  for (const trainer of [await make(), await make()]) {
    expect(trainer.backend).toContain('DepthwiseConv2dNativeBackpropFilter in plain JavaScript');
    trainer.dispose();
  }
});
