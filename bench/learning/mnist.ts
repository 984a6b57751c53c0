/**
 * @module MNIST as the benches of learning take it: whole or a part, and the test set thinned out,
 * because every model of a run is scored on all of it.
 */
import { createDataset, featureLength, rowOf, subset } from '../../client/data/dataset.ts';
import type { Dataset } from '../../client/data/dataset.ts';
import { loadMnist } from '../../client/data/mnist-node.ts';
import type { SimulationData } from '../../sim/index.ts';

const every = (data: Dataset, step: number): Dataset =>
  subset(
    data,
    Uint32Array.from({ length: Math.floor(data.size / step) }, (_, i) => step * i),
  );

/** A copy of the pixels with mean 0 and deviation 1 over the training set, as PyTorch users do. */
const standardised = (data: Dataset): Dataset => {
  const [mean, deviation] = [0.1307, 0.3081];
  const width = featureLength(data);
  const scale = data.features instanceof Uint8Array ? 1 / 255 : 1;
  const features = new Float32Array(data.size * width);
  const labels = new Int32Array(data.size);
  for (let i = 0; i < data.size; i += 1) {
    const row = rowOf(data, i);
    labels[i] = data.labels[row]!;
    for (let j = 0; j < width; j += 1)
      features[i * width + j] = (scale * data.features[row * width + j]! - mean) / deviation;
  }
  return createDataset({ features, labels, featureShape: data.featureShape, classes: 10 });
};

export interface MnistOptions {
  /** Training examples, evenly spread over the file. Default: all 60,000. */
  readonly examples?: number;
  /** Test examples, likewise. Default: all 10,000. */
  readonly tests?: number;
  readonly standardise?: boolean;
}

export const mnist = async (options: MnistOptions = {}): Promise<SimulationData> => {
  const { examples = 60_000, tests = 10_000, standardise = false } = options;
  const [train, test] = await Promise.all([loadMnist('train', {}), loadMnist('test', {})]);
  const kept = {
    train: every(train, Math.floor(train.size / examples)),
    test: every(test, Math.floor(test.size / tests)),
  };
  const source = `MNIST, ${kept.train.size} + ${kept.test.size} examples`;
  if (!standardise) return { ...kept, source };
  return { train: standardised(kept.train), test: standardised(kept.test), source };
};
