/**
 * A user's own module in a real run: the coordinator takes the model or the manifest from it, a
 * participant its trainer, in a thread and with the examples that the run holds out.
 */
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { beginningOfModule } from '../../client/module-start.ts';
import { createDataset } from '../../client/data/dataset.ts';
import { moduleTrainerModule, threadTrainer } from '../../client/thread/trainer.ts';
import { manifest } from '../../examples/simulation/task.ts';

const TASK = pathToFileURL('examples/simulation/task.ts').href;

describe('--module', () => {
  it('gives a run its model: a manifest, or a function', async () => {
    expect((await beginningOfModule(TASK, {})).model).toEqual({
      architecture: 'custom',
      tensors: manifest.tensors,
    });
    const own = `data:text/javascript,${encodeURIComponent(
      'export const model = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: "softmax", inputShape: [3] })] });',
    )}`;
    const { model } = await beginningOfModule(own, {});
    expect(model.tensors.map(({ shape }) => shape)).toEqual([[3, 2], [2]]);
    await expect(beginningOfModule(own, { model: 'linear' })).rejects.toThrow(/--model/u);
  });

  it('trains in a thread, on what is not held out', async () => {
    const data = createDataset({
      features: new Float32Array(80).fill(0.5),
      labels: Int32Array.from({ length: 20 }, (_, i) => i % 2),
      featureShape: [4],
      classes: 2,
    });
    const spec = { model: { architecture: 'custom' }, training: { holdout: 0.2 } };
    const trainer = await threadTrainer({
      module: moduleTrainerModule(),
      argument: { module: TASK, spec, data },
    });
    try {
      const result = await trainer.train({
        weights: new Float32Array(5),
        round: 1,
        epochs: 1,
        batchSize: 4,
        learningRate: 0.1,
        seed: new Uint8Array(32),
      });
      expect(result.examples).toBe(16);
      expect(result.metrics).toMatchObject({ testExamples: 4, testAccuracy: 2 });
    } finally {
      trainer.dispose();
    }
  });

  it.each([
    ['export const x = 1;', /trainer among its exports/u, /function model, or the manifest/u],
    ['syntax error', /cannot load the module/u, /cannot load the module/u],
  ])('refuses %s', async (source, atSite, atCoordinator) => {
    const module = `data:text/javascript,${encodeURIComponent(source)}`;
    await expect(beginningOfModule(module, {})).rejects.toThrow(atCoordinator);
    await expect(
      threadTrainer({ module: moduleTrainerModule(), argument: { module, spec: {}, data: {} } }),
    ).rejects.toThrow(atSite);
  });
});
