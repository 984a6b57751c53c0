/**
 * @module The loss of a batch as a tfjs scalar, with the penalties that the layers carry: what
 * training differentiates, step by step or recorded.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type OutputKind, SMALLEST_PROBABILITY } from './losses.ts';
import { flattenLayers } from './topology.ts';

type Tf = typeof Tfjs;
type Save = (tensors: Tfjs.Tensor[]) => void;

/**
 * Mean cross-entropy of logits; its gradient is (softmax - onehot) / batch, without a pass through
 * logarithms.
 */
const logitsLoss = (tf: Tf, logits: Tfjs.Tensor, oneHot: Tfjs.Tensor): Tfjs.Scalar => {
  const operation = tf.customGrad((...args: (Tfjs.Tensor | Save)[]) => {
    const [x, save] = args as [Tfjs.Tensor2D, Save];
    const p = tf.softmax(x);
    save([p]);
    const value = tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(x), oneHot), -1)));
    const gradFunc = (dy: Tfjs.Tensor, saved: Tfjs.Tensor[]): Tfjs.Tensor =>
      tf.mul(tf.sub(saved[0] ?? p, oneHot), tf.div(dy, oneHot.shape[0] ?? 1));
    return { value, gradFunc };
  });
  return operation(logits) as Tfjs.Scalar;
};

const probabilitiesLoss = (tf: Tf, p: Tfjs.Tensor, oneHot: Tfjs.Tensor): Tfjs.Scalar =>
  tf.neg(tf.mean(tf.sum(tf.mul(tf.log(tf.maximum(p, SMALLEST_PROBABILITY)), oneHot), -1)));

/** `target` is one-hot for classes, else as many values as outputs. */
export const batchLoss = (
  tf: Tf,
  model: Tfjs.LayersModel,
  kind: OutputKind,
  prediction: Tfjs.Tensor,
  target: Tfjs.Tensor,
): Tfjs.Scalar => {
  const own =
    kind === 'logits'
      ? logitsLoss(tf, prediction, target)
      : kind === 'probabilities'
        ? probabilitiesLoss(tf, prediction, target)
        : tf.mean<Tfjs.Scalar>(tf.squaredDifference(prediction, target));
  const penalised = flattenLayers(model.layers).some(({ losses }) => losses.length > 0);
  return penalised ? tf.addN([own, ...model.calculateLosses()]) : own;
};

/** Classes as rows with a single one. */
export const oneHotOf = (
  labels: ArrayLike<number>,
  rows: number,
  classes: number,
): Float32Array => {
  const values = new Float32Array(rows * classes);
  for (let i = 0; i < rows; i++) values[i * classes + (labels[i] ?? 0)] = 1;
  return values;
};
