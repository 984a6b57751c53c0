/**
 * @module The compliance suite of the Trainer port on both trainers: any function, and tfjs with
 * its dense layers on Floe's own kernels and without them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { selectBackend, type Tf } from '../../client/tfjs/backends.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { trainerSuite } from '../../testing/index.ts';
import { timedTrainer } from '../../sim/timeline.ts';

const api = { describe, expect, it };

const regression = () =>
  createDataset({
    features: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
    labels: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
    featureShape: [5],
  });

const linear = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [5], name: 'output' })] });

const ofFunction = () =>
  functionTrainer({
    manifest: { tensors: [{ name: 'w', shape: [7], dtype: 'float32' }] },
    train: ({ weights, learningRate }) => ({
      weights: weights.map((value, i) => value + learningRate * Math.cos(i)),
      examples: 3,
      lossSum: 1.5,
      correct: 0,
    }),
  });

trainerSuite(api, 'a function', async () => ({ trainer: ofFunction() }));

trainerSuite(api, 'a function, timed', async () => ({
  trainer: timedTrainer(ofFunction(), () => undefined),
}));

for (const denseFastPath of [true, false])
  trainerSuite(api, `tfjs, own kernels ${denseFastPath}`, async () => ({
    trainer: await tfjsTrainer({
      model: linear,
      data: regression(),
      backend: await selectBackend({ prefer: 'wasm' }),
      denseFastPath,
    }),
    learningRate: 0.01,
  }));
