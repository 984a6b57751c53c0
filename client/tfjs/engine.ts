/**
 * @module The Engine interface, which the trainer drives: weights in, epochs, weights out. One
 * implementation replays recorded steps on a GPU. Those that take one batch after the other run any
 * tfjs model, or stacks of dense layers without tfjs.
 */
import { type Dataset, featureLength, labelLength, rowOf } from '../data/dataset.ts';
import type { RandomStream } from '../random.ts';
import type { LocalRule } from '../optimizer.ts';
import { NO_SCORE, type Score, addScores } from './losses.ts';

/** Examples side by side: `features` row-major, `labels` classes or targets. */
export interface Batch {
  readonly features: Float32Array;
  readonly labels: Int32Array | Float32Array;
  readonly size: number;
}

export interface StepRequest {
  readonly batch: Batch;
  readonly learningRate: number;
  /** The same in all steps since `load`, which resets its state to zeros. */
  readonly optimizer: LocalRule;
  /** Where layers such as dropout draw their randomness. */
  readonly stream: RandomStream;
  /** Whether the loss of this step is wanted. */
  readonly scored: boolean;
}

/** Some epochs over a participant's examples. */
export interface EpochsRequest {
  readonly data: Dataset;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly optimizer: LocalRule;
  /** The examples of an epoch in the order in which it takes them; the last may leave some out. */
  readonly order: (epoch: number) => Uint32Array;
  readonly stream: RandomStream;
  /**
   * Called between steps with the examples done so far: other work has its turn. Throws to end the
   * training.
   */
  readonly pause: (done: number) => Promise<void>;
}

/** An engine of the trainer: weights in, epochs, weights out. */
export interface Engine {
  /**
   * @param linear added to each gradient of the training that follows, where its rule has
   *   {@link LocalRule.linear}; as long as the weights. Both stay as they are until then.
   */
  load(weights: Float32Array, linear?: Float32Array): void;
  /** The sum of the last epoch's losses, each of the weights before its step. */
  train(request: EpochsRequest): Promise<Score>;
  evaluate(data: Dataset, batchSize: number, pause: () => Promise<void>): Promise<Score>;
  read(): Float32Array | Promise<Float32Array>;
  dispose(): void;
}

/** An engine that takes one batch after the other. */
export interface StepEngine {
  /** As {@link Engine.load}. */
  load(weights: Float32Array, linear?: Float32Array): void;
  /** One step on the batch's mean loss; the score is that of the weights before the step. */
  step(request: StepRequest): Score | undefined | Promise<Score>;
  score(batch: Batch): Score | Promise<Score>;
  read(): Float32Array | Promise<Float32Array>;
  dispose(): void;
}

/** The value of each byte. */
const OF_BYTE = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

const copyRow = (
  from: Dataset['features'],
  start: number,
  to: Float32Array,
  at: number,
  width: number,
) => {
  if (from instanceof Float32Array) to.set(from.subarray(start, start + width), at);
  else for (let j = 0; j < width; j++) to[at + j] = OF_BYTE[from[start + j]!]!;
};

/**
 * Copies examples into one batch; `order` counts within the dataset. @param into room for the
 * features, used again by the next batch
 */
export const gather = (data: Dataset, order: Uint32Array, into?: Float32Array): Batch => {
  const width = featureLength(data);
  const labelWidth = labelLength(data);
  const needed = order.length * width;
  const features = into?.subarray(0, needed) ?? new Float32Array(needed);
  const labels = new (data.labels instanceof Int32Array ? Int32Array : Float32Array)(
    order.length * labelWidth,
  );
  for (let i = 0; i < order.length; i++) {
    const row = rowOf(data, order[i] ?? 0);
    copyRow(data.features, row * width, features, i * width, width);
    for (let j = 0; j < labelWidth; j++)
      labels[i * labelWidth + j] = data.labels[row * labelWidth + j] ?? 0;
  }
  return { features, labels, size: order.length };
};

/** For the features of one batch: engines copy what they are given. */
const roomFor = (data: Dataset, batchSize: number): Float32Array =>
  new Float32Array(Math.min(batchSize, data.size) * featureLength(data));

/** Drives an engine batch by batch. */
export const stepwise = (engine: StepEngine): Engine => ({
  load: (weights, linear) => {
    engine.load(weights, linear);
  },
  read: async () => engine.read(),
  dispose: () => {
    engine.dispose();
  },
  train: async ({ data, epochs, batchSize, learningRate, optimizer, order, stream, pause }) => {
    let total = NO_SCORE;
    const room = roomFor(data, batchSize);
    for (let epoch = 0; epoch < epochs; epoch++) {
      const chosen = order(epoch);
      const scored = epoch === epochs - 1;
      for (let at = 0; at < chosen.length; at += batchSize) {
        const batch = gather(data, chosen.subarray(at, at + batchSize), room);
        // Each step starts from the weights of the one before.
        const result = await engine.step({ batch, learningRate, optimizer, stream, scored });
        total = addScores(total, result ?? NO_SCORE);
        await pause(epoch * data.size + at + batch.size);
      }
    }
    return total;
  },
  evaluate: async (data, batchSize, pause) => {
    let total = NO_SCORE;
    const room = roomFor(data, batchSize);
    for (let at = 0; at < data.size; at += batchSize) {
      const length = Math.min(batchSize, data.size - at);
      const order = Uint32Array.from({ length }, (_, i) => at + i);
      total = addScores(total, await engine.score(gather(data, order, room)));
      await pause();
    }
    return total;
  },
});
