/**
 * @module Small models and labels for each task, and the gradient of a trainer: for the tests of
 * losses and of the last operation.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Dataset, createDataset } from '../../client/data/dataset.ts';
import { randomStream } from '../../client/random.ts';
import type { Task, TaskType } from '../../client/task.ts';
import type { Tf } from '../../client/tfjs/backends.ts';
import type { OutputKind } from '../../client/tfjs/losses.ts';
import type { TfjsTrainer, TfjsTrainerOptions } from '../../client/tfjs/trainer.ts';
import type { TrainRequest } from '../../client/trainer.ts';

export const seed = new Uint8Array(32).fill(7);

export type Model = (tf: Tf) => Tfjs.LayersModel;
export type Activation = 'softmax' | 'sigmoid' | 'linear' | 'tanh';

export const FEATURES = 5;
export const ROWS = 6;
export const features = (): Float32Array => {
  const stream = randomStream(seed, 'features');
  return Float32Array.from({ length: ROWS * FEATURES }, () => stream.uint32() / 2 ** 31 - 1);
};
export const dataOf = (labels: Int32Array | Float32Array, classes?: number): Dataset =>
  createDataset({
    features: features(),
    labels,
    featureShape: [FEATURES],
    ...(classes === undefined ? {} : { classes }),
  });

export const dense =
  (units: number, activation: Activation): Model =>
  (tf) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, activation: 'tanh', inputShape: [FEATURES] }),
        tf.layers.dense({ units, activation }),
      ],
    });

/** Each step a vector of one number: [5, 1]. */
export const sequence =
  (activation: Activation, wrapped: boolean): Model =>
  (tf) => {
    const head = tf.layers.dense({ units: 3, activation });
    return tf.sequential({
      layers: [
        tf.layers.reshape({ targetShape: [FEATURES, 1], inputShape: [FEATURES] }),
        tf.layers.bidirectional({
          layer: tf.layers.simpleRNN({ units: 3, returnSequences: true }),
          mergeMode: 'concat',
        }),
        wrapped ? tf.layers.timeDistributed({ layer: head }) : head,
      ],
    });
  };

export const classes = (): Dataset => dataOf(Int32Array.of(0, 2, 1, 2, 0, 1), 3);
export const yesNo = (): Dataset => dataOf(Int32Array.of(0, 1, 1, 0, 1, 0), 2);
export const labels = (): Dataset =>
  dataOf(Float32Array.from({ length: ROWS * 3 }, (_, i) => Number(i % 4 === 0 || i % 5 === 1)));
export const values = (): Dataset =>
  dataOf(Float32Array.from({ length: ROWS * 2 }, (_, i) => Math.sin(i) * 2));
export const tokens = (): Dataset =>
  dataOf(
    Int32Array.from({ length: ROWS * FEATURES }, (_, i) => (i % 7 === 3 || i < 2 ? -1 : i % 3)),
    3,
  );

export interface Case {
  readonly name: string;
  readonly model: Model;
  readonly data: () => Dataset;
  readonly task?: Task | TaskType;
  readonly outputs?: OutputKind;
  readonly says: string;
}

export const optionsOf = ({
  model,
  data,
  task,
  outputs,
}: Case): Omit<TfjsTrainerOptions, 'backend'> => ({
  model,
  data: data(),
  ...(task === undefined ? {} : { task }),
  ...(outputs === undefined ? {} : { outputs }),
});

export const once = (weights: Float32Array, more: Partial<TrainRequest> = {}): TrainRequest => ({
  weights,
  round: 1,
  epochs: 1,
  batchSize: ROWS,
  learningRate: 1,
  seed,
  ...more,
});

/** The gradient: one step at rate 1 moves the weights by it. */
export const gradientOf = async (
  trainer: TfjsTrainer,
  start: Float32Array,
): Promise<Float32Array> => {
  const { weights } = await trainer.train(once(start));
  return start.map((value, i) => value - (weights[i] ?? NaN));
};
