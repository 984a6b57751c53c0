/**
 * @module Small models, one for each kind of layer, on which recorded steps are compared with eager
 * ones.
 */
import type * as Tfjs from '@tensorflow/tfjs';
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

const listOf = (inputs: Tfjs.Tensor | Tfjs.Tensor[]): Tfjs.Tensor[] =>
  Array.isArray(inputs) ? inputs : [inputs];

/** A layer that gives one tensor, on its symbolic inputs. */
const one = (
  layer: Tfjs.layers.Layer,
  of: Tfjs.SymbolicTensor | Tfjs.SymbolicTensor[],
): Tfjs.SymbolicTensor => layer.apply(of) as Tfjs.SymbolicTensor;

/** Weightless layers that tfjs does not have. */
const ownLayers = (tf: typeof Tfjs) => {
  class Attention extends tf.layers.Layer {
    static className = 'Attention';
    override computeOutputShape(shapes: Tfjs.Shape[]): Tfjs.Shape {
      return shapes[2] ?? [];
    }
    override call(inputs: Tfjs.Tensor | Tfjs.Tensor[]): Tfjs.Tensor {
      const [q, k, v] = listOf(inputs) as [Tfjs.Tensor, Tfjs.Tensor, Tfjs.Tensor];
      const width = q.shape.at(-1) ?? 1;
      const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width));
      return tf.matMul(tf.softmax(scores), v);
    }
  }
  class Gelu extends tf.layers.Layer {
    static className = 'Gelu';
    override call(inputs: Tfjs.Tensor | Tfjs.Tensor[]): Tfjs.Tensor {
      const [x] = listOf(inputs) as [Tfjs.Tensor];
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1));
    }
  }
  return { attention: () => new Attention({}), gelu: () => new Gelu({}) };
};

const transformerBlock: ModelFunction = (tf) => {
  const { layers } = tf;
  const own = ownLayers(tf);
  const x = tf.input({ shape: [5, 8] });
  const parts = ['q', 'k', 'v'].map(() => one(layers.dense({ units: 8 }), x));
  const seen = one(layers.add(), [x, one(own.attention(), parts)]);
  const first = one(layers.layerNormalization(), seen);
  const wide = one(own.gelu(), one(layers.dense({ units: 16 }), first));
  const second = one(layers.add(), [first, one(layers.dense({ units: 8 }), wide)]);
  const pooled = one(layers.globalAveragePooling1d({}), one(layers.layerNormalization(), second));
  const y = one(layers.dense({ units: CLASSES, activation: 'softmax' }), pooled);
  return tf.model({ inputs: x, outputs: y });
};

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

/** With those whose shaders a software adapter takes minutes to make. */
export const ALL_MODELS: readonly SmallModel[] = [
  ...SMALL_MODELS,
  {
    name: 'transformer block: attention, GELU, layer norm',
    featureShape: [5, 8],
    model: transformerBlock,
  },
];
