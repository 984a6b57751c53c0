/**
 * @module The loss of a batch as a tfjs scalar, with the penalties of the layers: training
 * differentiates it, eagerly or recorded. Losses of logits and of values have closed-form
 * gradients, because these need no gradient of a kernel and cannot overflow.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type LossSpec, SMALLEST_PROBABILITY } from './losses.ts';
import { flattenLayers } from './topology.ts';

type Tf = typeof Tfjs;
type Save = (tensors: Tfjs.Tensor[]) => void;

/** A scalar of one tensor with its own gradient, which is multiplied by the scalar's. */
const withGradient = (
  tf: Tf,
  x: Tfjs.Tensor,
  value: (x: Tfjs.Tensor) => Tfjs.Scalar,
  gradient: (x: Tfjs.Tensor, dy: Tfjs.Tensor) => Tfjs.Tensor,
): Tfjs.Scalar =>
  tf.customGrad((...args: (Tfjs.Tensor | Save)[]) => {
    const [given, save] = args as [Tfjs.Tensor, Save];
    save([given]);
    return {
      value: value(given),
      gradFunc: (dy: Tfjs.Tensor, saved: Tfjs.Tensor[]) => gradient(saved[0] ?? given, dy),
    };
  })(x);

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

/**
 * The same for targets that sum to a weight: of a class, or of a token in its example, which is 0
 * for padding.
 */
const weightedLoss = (tf: Tf, logits: Tfjs.Tensor, target: Tfjs.Tensor): Tfjs.Scalar => {
  const batch = target.shape[0] ?? 1;
  return withGradient(
    tf,
    logits,
    (x) => tf.neg(tf.div(tf.sum(tf.mul(tf.logSoftmax(x), target)), batch)),
    (x, dy) =>
      tf.mul(tf.sub(tf.mul(tf.softmax(x), tf.sum(target, -1, true)), target), tf.div(dy, batch)),
  );
};

const logOf = (tf: Tf, p: Tfjs.Tensor): Tfjs.Tensor => tf.log(tf.maximum(p, SMALLEST_PROBABILITY));

/** Of classes or tokens, where the softmax cannot be taken into the loss. */
const probabilitiesLoss = (tf: Tf, p: Tfjs.Tensor, target: Tfjs.Tensor): Tfjs.Scalar =>
  tf.neg(tf.div(tf.sum(tf.mul(logOf(tf, p), target)), target.shape[0] ?? 1));

/** Binary cross-entropy, mean over batch and labels. */
const binaryLogitsLoss = (tf: Tf, logits: Tfjs.Tensor, target: Tfjs.Tensor): Tfjs.Scalar =>
  withGradient(
    tf,
    logits,
    (x) => {
      const softplus = tf.log(tf.add(tf.exp(tf.neg(tf.abs(x))), 1));
      return tf.mean(tf.add(tf.sub(tf.relu(x), tf.mul(x, target)), softplus));
    },
    (x, dy) => tf.mul(tf.sub(tf.sigmoid(x), target), tf.div(dy, target.size)),
  );

/** The same, each label by the weight of its class: yes * softplus(-x) + no * softplus(x). */
const weightedBinaryLoss = (
  tf: Tf,
  logits: Tfjs.Tensor,
  target: Tfjs.Tensor,
  [no = 1, yes = 1]: readonly number[],
): Tfjs.Scalar => {
  const toYes = (): Tfjs.Tensor => tf.mul(target, yes);
  const both = (): Tfjs.Tensor => tf.add(toYes(), tf.mul(tf.sub(1, target), no));
  return withGradient(
    tf,
    logits,
    (x) => {
      const softplus = tf.add(tf.relu(x), tf.log(tf.add(tf.exp(tf.neg(tf.abs(x))), 1)));
      return tf.mean(tf.sub(tf.mul(both(), softplus), tf.mul(x, toYes())));
    },
    (x, dy) => tf.mul(tf.sub(tf.mul(both(), tf.sigmoid(x)), toYes()), tf.div(dy, target.size)),
  );
};

const binaryProbabilitiesLoss = (
  tf: Tf,
  p: Tfjs.Tensor,
  target: Tfjs.Tensor,
  weights: readonly number[] | undefined,
): Tfjs.Scalar => {
  let yes = tf.mul(logOf(tf, p), target);
  let no = tf.mul(logOf(tf, tf.sub(1, p)), tf.sub(1, target));
  if (weights !== undefined)
    [no, yes] = [tf.mul(no, weights[0] ?? 1), tf.mul(yes, weights[1] ?? 1)];
  return tf.neg(tf.mean(tf.add(yes, no)));
};

/** Huber's loss; the gradient is the difference, clipped to [-delta, delta]. */
const huberLoss = (
  tf: Tf,
  prediction: Tfjs.Tensor,
  target: Tfjs.Tensor,
  delta: number,
): Tfjs.Scalar =>
  withGradient(
    tf,
    prediction,
    (x) => {
      const distance = tf.abs(tf.sub(x, target));
      const inner = tf.minimum(distance, delta);
      return tf.mean(tf.mul(inner, tf.sub(distance, tf.mul(inner, 0.5))));
    },
    (x, dy) => {
      const clipped = tf.maximum(tf.minimum(tf.sub(x, target), delta), -delta);
      return tf.mul(clipped, tf.div(dy, target.size));
    },
  );

const absoluteLoss = (tf: Tf, prediction: Tfjs.Tensor, target: Tfjs.Tensor): Tfjs.Scalar =>
  withGradient(
    tf,
    prediction,
    (x) => tf.mean(tf.abs(tf.sub(x, target))),
    (x, dy) => {
      const above = tf.cast(tf.greater(x, target), 'float32');
      const below = tf.cast(tf.less(x, target), 'float32');
      return tf.mul(tf.sub(above, below), tf.div(dy, target.size));
    },
  );

const ownLoss = (
  tf: Tf,
  { task, outputs, weights }: LossSpec,
  prediction: Tfjs.Tensor,
  target: Tfjs.Tensor,
): Tfjs.Scalar => {
  switch (task.type) {
    case 'multi-class': {
      if (outputs !== 'logits') return probabilitiesLoss(tf, prediction, target);
      // With weights the targets of an example do not sum to 1.
      return (weights === undefined ? logitsLoss : weightedLoss)(tf, prediction, target);
    }
    case 'sequence':
      return outputs === 'logits'
        ? weightedLoss(tf, prediction, target)
        : probabilitiesLoss(tf, prediction, target);
    case 'binary':
    case 'multi-label':
      if (outputs !== 'logits') return binaryProbabilitiesLoss(tf, prediction, target, weights);
      return weights === undefined
        ? binaryLogitsLoss(tf, prediction, target)
        : weightedBinaryLoss(tf, prediction, target, weights);
    case 'regression':
      if (task.loss === 'huber') return huberLoss(tf, prediction, target, task.delta);
      return task.loss === 'absolute'
        ? absoluteLoss(tf, prediction, target)
        : tf.mean<Tfjs.Scalar>(tf.squaredDifference(prediction, target));
  }
};

/** `target` as `targetsOf` gives it, in the shape of the outputs. */
export const batchLoss = (
  tf: Tf,
  model: Tfjs.LayersModel,
  spec: LossSpec,
  prediction: Tfjs.Tensor,
  target: Tfjs.Tensor,
): Tfjs.Scalar => {
  const own = ownLoss(tf, spec, prediction, target);
  const penalised = flattenLayers(model.layers).some(({ losses }) => losses.length > 0);
  return penalised ? tf.addN([own, ...model.calculateLosses()]) : own;
};
