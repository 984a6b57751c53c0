/**
 * @module Trainers that the tests of threads start: `argument.type` says which.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { createDataset } from '../../client/data/dataset.ts';
import type { Tf } from '../../client/tfjs/backends.ts';
import { functionTrainer, type Trainer } from '../../client/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';

export type ThreadCase =
  | { readonly type: 'tfjs' | 'function' | 'dies' | 'unusable' | 'fails' | 'view' }
  /** Lets nothing else run, and ends when it is cancelled. */
  | { readonly type: 'steps'; readonly counter: SharedArrayBuffer }
  /** Holds its thread in each of three steps until the test lets it go. */
  | { readonly type: 'held'; readonly gate: SharedArrayBuffer };

const manifest = { tensors: [{ name: 'w', shape: [7], dtype: 'float32' }] } as const;

const linear = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [5], name: 'output' })] });

const train = ({ weights, learningRate }: { weights: Float32Array; learningRate: number }) => ({
  weights: weights.map((value, i) => value + learningRate * Math.cos(i)),
  examples: 3,
  lossSum: 1.5,
  correct: 0,
});

const ofTfjs = async (): Promise<Trainer> => {
  // Only here: each of the other threads starts in a fraction of the time without tfjs.
  const { selectBackend } = await import('../../client/tfjs/backends.ts');
  const { tfjsTrainer } = await import('../../client/tfjs/trainer.ts');
  return tfjsTrainer({
    model: linear,
    data: createDataset({
      features: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
      labels: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
      featureShape: [5],
    }),
    backend: await selectBackend({ prefer: 'wasm' }),
  });
};

export const createTrainer = async (given: ThreadCase): Promise<Trainer> => {
  switch (given.type) {
    case 'tfjs':
      return ofTfjs();
    case 'function':
      return functionTrainer({ manifest, train, examples: 3, backend: 'own' });
    case 'view':
      return functionTrainer({
        manifest,
        train: (request) => {
          const larger = new Float32Array(20);
          larger.set(train(request).weights, 4);
          return { ...train(request), weights: larger.subarray(4, 11) };
        },
      });
    case 'dies':
      return functionTrainer({
        manifest,
        train: (request) => {
          // In a worker it ends the thread, and nothing else.
          if (request.round === 2) process.exit(3);
          return train(request);
        },
      });
    case 'fails':
      return functionTrainer({
        manifest,
        train: ({ round }) => {
          if (round === 2) throw new FloeError('data_unfit', 'row 3', { row: 3 });
          throw new TypeError('expected a row');
        },
      });
    case 'unusable':
      throw new FloeError('model_malformed', 'no such layer', { layer: 'x' });
    case 'steps': {
      const cells = new Int32Array(given.counter);
      return functionTrainer({
        manifest,
        train: (request) => {
          for (let step = 1; request.signal?.aborted !== true; step += 1) {
            Atomics.store(cells, 0, step);
            Atomics.notify(cells, 0);
            // The first step lasts until the test has cancelled.
            if (step === 1) Atomics.wait(cells, 1, 0);
            request.onProgress?.(step, 1e9);
          }
          return train(request);
        },
      });
    }
    case 'held': {
      const cells = new Int32Array(given.gate);
      return functionTrainer({
        manifest,
        train: (request) => {
          for (let step = 1; step <= 3; step += 1) {
            request.onProgress?.(step, 4);
            Atomics.store(cells, 0, step);
            Atomics.notify(cells, 0);
            Atomics.wait(cells, step, 0);
          }
          return train(request);
        },
      });
    }
  }
};
