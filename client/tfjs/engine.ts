/**
 * @module What the training loop drives: weights in, steps of SGD on batches, weights out. One implementation runs any
 * tfjs model, one runs stacks of dense layers without tfjs between the kernels.
 */
import { type Dataset, featureLength, labelLength, rowOf } from '../data/dataset.ts';
import type { RandomStream } from '../random.ts';
import type { Score } from './losses.ts';

/** Examples side by side: `features` row-major, `labels` classes or targets. */
export interface Batch {
  readonly features: Float32Array;
  readonly labels: Int32Array | Float32Array;
  readonly size: number;
}

export interface StepRequest {
  readonly batch: Batch;
  readonly learningRate: number;
  /** Where layers such as dropout draw their randomness. */
  readonly stream: RandomStream;
  /** Whether the loss of this step is wanted. */
  readonly scored: boolean;
}

export interface Engine {
  load(weights: Float32Array): void;
  /** One step of SGD on the batch's mean loss; the score is that of the weights before the step. */
  step(request: StepRequest): Score | undefined | Promise<Score>;
  score(batch: Batch): Score | Promise<Score>;
  read(): Float32Array | Promise<Float32Array>;
  dispose(): void;
}

/** Copies examples into one batch; `order` counts within the dataset. */
export const gather = (data: Dataset, order: Uint32Array): Batch => {
  const width = featureLength(data);
  const labelWidth = labelLength(data);
  const features = new Float32Array(order.length * width);
  const labels = new (data.labels instanceof Int32Array ? Int32Array : Float32Array)(
    order.length * labelWidth,
  );
  for (let i = 0; i < order.length; i++) {
    const row = rowOf(data, order[i] ?? 0);
    features.set(data.features.subarray(row * width, (row + 1) * width), i * width);
    for (let j = 0; j < labelWidth; j++)
      labels[i * labelWidth + j] = data.labels[row * labelWidth + j] ?? 0;
  }
  return { features, labels, size: order.length };
};
