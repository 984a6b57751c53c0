/**
 * @module Small models, one for each kind of layer, on which recorded steps are compared with eager
 * ones.
 */
import { type Dataset, createDataset } from '../client/data/dataset.ts';
import { randomStream } from '../client/random.ts';
import type { ModelFunction } from '../client/tfjs/models.ts';

export interface SmallModel {
  readonly name: string;
  readonly model: ModelFunction;
  readonly featureShape: readonly number[];
  /** Features are whole numbers below this; without it, real numbers of [-1, 1). */
  readonly vocabulary?: number;
}

const CLASSES = 4;

/** Examples with random features and every class in turn. */
export const examplesFor = (
  { name, featureShape, vocabulary }: SmallModel,
  size: number,
): Dataset => {
  const stream = randomStream(new Uint8Array(32), name);
  const length = size * featureShape.reduce((a, b) => a * b, 1);
  const features = Float32Array.from({ length }, () =>
    vocabulary === undefined ? stream.uint32() / 2 ** 31 - 1 : stream.below(vocabulary),
  );
  const labels = Int32Array.from({ length: size }, (_, i) => i % CLASSES);
  return createDataset({ features, labels, featureShape: [...featureShape], classes: CLASSES });
};

const image = [8, 8, 3];

export const SMALL_MODELS: readonly SmallModel[] = [
  {
    name: 'dense layers, tanh, sigmoid, penalty',
    featureShape: [7],
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.dense({
            units: 9,
            activation: 'tanh',
            inputShape: [7],
            kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }),
          }),
          tf.layers.dense({ units: 6, activation: 'sigmoid' }),
          tf.layers.dense({ units: CLASSES }),
        ],
      }),
  },
  {
    name: 'convolution, max pool',
    featureShape: image,
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({
            filters: 8,
            kernelSize: 3,
            padding: 'same',
            activation: 'relu',
            inputShape: [8, 8, 3],
          }),
          tf.layers.maxPooling2d({ poolSize: 2 }),
          tf.layers.conv2d({ filters: 5, kernelSize: 2, strides: 2 }),
          tf.layers.flatten(),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'convolution, batch norm, dropout',
    featureShape: image,
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 3] }),
          tf.layers.batchNormalization(),
          tf.layers.activation({ activation: 'relu' }),
          tf.layers.dropout({ rate: 0.3 }),
          tf.layers.flatten(),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'depthwise convolution, average pool',
    featureShape: image,
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, inputShape: [8, 8, 3] }),
          tf.layers.averagePooling2d({ poolSize: 2 }),
          tf.layers.flatten(),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'lstm',
    featureShape: [5, 6],
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.lstm({ units: 7, inputShape: [5, 6] }),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'gru',
    featureShape: [4, 6],
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.gru({ units: 5, inputShape: [4, 6] }),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'embedding',
    featureShape: [6],
    vocabulary: 20,
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.embedding({ inputDim: 20, outputDim: 8, inputLength: 6 }),
          tf.layers.globalAveragePooling1d(),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
  {
    name: 'layer norm',
    featureShape: [10],
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ units: 12, activation: 'elu', inputShape: [10] }),
          tf.layers.layerNormalization(),
          tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
        ],
      }),
  },
];
