/**
 * @module The models on which correctness is measured: one for each kind of layer, with examples
 * that it can learn. A class is a pattern: features are the pattern of the class and noise; of
 * tokens each class prefers its own.
 */
import type { SmallModel } from '../gpu-models.ts';
import { ALL_MODELS } from '../gpu-models.ts';
import { type Dataset, createDataset } from '../../client/data/dataset.ts';
import { type RandomStream, randomStream } from '../../client/random.ts';

export interface ZooModel extends SmallModel {
  /** Local learning rate of the federated run. */
  readonly learningRate: number;
}

const CLASSES = 4;
/** Of the noise against a pattern, for each root of a feature: classes overlap by a tenth. */
const NOISE = 0.4;
/** Of ten tokens, how many are of the class's own kind. */
const OWN_TOKENS = 4;

const uniform = (stream: RandomStream): number => stream.uint32() / 2 ** 31 - 1;

const patterns = ({ name, featureShape }: SmallModel): readonly Float32Array[] => {
  const stream = randomStream(new Uint8Array(32), `${name}/patterns`);
  const length = featureShape.reduce((a, b) => a * b, 1);
  return Array.from({ length: CLASSES }, () =>
    Float32Array.from({ length }, () => uniform(stream)),
  );
};

/**
 * @param part names the draw: other parts have other examples of the same classes
 * @returns `size` examples, their classes in turn
 */
export const zooExamples = (small: SmallModel, size: number, part: string): Dataset => {
  const { name, featureShape, vocabulary } = small;
  const stream = randomStream(new Uint8Array(32), `${name}/${part}`);
  const means = patterns(small);
  const each = means[0]?.length ?? 0;
  const noise = NOISE * Math.sqrt(each);
  // So that features have a variance of 1.
  const scale = Math.sqrt(3 / (1 + noise ** 2));
  const labels = Int32Array.from({ length: size }, (_, i) => i % CLASSES);
  const features = Float32Array.from({ length: size * each }, (_, i) => {
    const label = Math.floor(i / each) % CLASSES;
    if (vocabulary === undefined)
      return scale * ((means[label]?.[i % each] ?? 0) + noise * uniform(stream));
    const token = stream.below(vocabulary);
    return stream.below(10) < OWN_TOKENS ? token - (token % CLASSES) + label : token;
  });
  return createDataset({ features, labels, featureShape: [...featureShape], classes: CLASSES });
};

const named = (pattern: RegExp, learningRate: number): ZooModel => {
  const found = ALL_MODELS.find(({ name }) => pattern.test(name));
  if (found === undefined) throw new Error(`no model ${String(pattern)}`);
  return { ...found, learningRate };
};

/** Its first layer does not train. */
const FROZEN: ZooModel = {
  name: 'frozen convolution, batch norm',
  featureShape: [8, 8, 3],
  learningRate: 0.05,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({
          name: 'frozen',
          filters: 4,
          kernelSize: 3,
          inputShape: [8, 8, 3],
          trainable: false,
        }),
        tf.layers.batchNormalization(),
        tf.layers.activation({ activation: 'relu' }),
        tf.layers.flatten(),
        tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
      ],
    }),
};

const MLP: ZooModel = {
  name: 'mlp',
  featureShape: [12],
  learningRate: 0.05,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 16, activation: 'relu', inputShape: [12] }),
        tf.layers.dense({ units: 16, activation: 'relu' }),
        tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
      ],
    }),
};

export const ZOO: readonly ZooModel[] = [
  MLP,
  named(/batch norm, dropout/u, 0.05),
  FROZEN,
  named(/depthwise/u, 0.05),
  named(/^lstm/u, 0.2),
  named(/^gru/u, 0.2),
  named(/^embedding/u, 0.2),
  named(/^layer norm/u, 0.05),
  named(/^transformer/u, 0.05),
];
