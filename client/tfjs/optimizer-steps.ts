/**
 * @module The updates of the optimisers: as plain numbers over flat weights, for engines without
 * tensors, and as a chain of tfjs operations, run eagerly or recorded.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { CLIP_EPSILON, type LocalRule, type Optimizer } from '../optimizer.ts';

type Tf = typeof Tfjs;

/** The optimiser's state: vectors as long as the weights, and the number of steps. */
export interface FlatState {
  /** The weights before the first step; empty where no correction asks for them. */
  readonly start: Float32Array;
  /** Added to each gradient; empty where no correction asks for it. */
  readonly linear: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  steps: number;
}

export const flatState = (
  { rule, proximal }: LocalRule,
  parameters: number,
  linear: Float32Array = new Float32Array(),
): FlatState => ({
  linear,
  start: new Float32Array(proximal === undefined ? 0 : parameters),
  first: new Float32Array(rule.type === 'sgd' ? 0 : parameters),
  second: new Float32Array(rule.type === 'adam' || rule.type === 'adamw' ? parameters : 0),
  steps: 0,
});

/** One step over flat weights, in place. The gradient is overwritten. */
export const updateFlat = (
  optimizer: LocalRule,
  state: FlatState,
  weights: Float32Array,
  gradient: Float32Array,
  rate: number,
): void => {
  const { proximal } = optimizer;
  const { linear } = state;
  if (optimizer.linear === true)
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] ?? 0) + (linear[i] ?? 0);
  if (proximal !== undefined) {
    const { start } = state;
    if (state.steps === 0) start.set(weights);
    for (let i = 0; i < gradient.length; i++)
      gradient[i] = (gradient[i] ?? 0) + proximal * ((weights[i] ?? 0) - (start[i] ?? 0));
  }
  stepFlat(optimizer, state, weights, gradient, rate);
};

const stepFlat = (
  { rule, weightDecay, clipGradient }: Optimizer,
  state: FlatState,
  weights: Float32Array,
  gradient: Float32Array,
  rate: number,
): void => {
  const { first, second } = state;
  state.steps++;
  let scale = 1;
  if (clipGradient !== undefined) {
    let squares = 0;
    for (let i = 0; i < gradient.length; i++) squares += (gradient[i] ?? 0) ** 2;
    scale = Math.min(1, clipGradient / (Math.sqrt(squares) + CLIP_EPSILON));
  }
  const coupled = rule.type === 'adamw' ? 0 : weightDecay;
  for (let i = 0; i < gradient.length; i++)
    gradient[i] = (gradient[i] ?? 0) * scale + coupled * (weights[i] ?? 0);
  if (rule.type === 'sgd') {
    for (let i = 0; i < weights.length; i++)
      weights[i] = (weights[i] ?? 0) - rate * (gradient[i] ?? 0);
    return;
  }
  if (rule.type === 'momentum') {
    for (let i = 0; i < weights.length; i++) {
      const velocity = rule.momentum * (first[i] ?? 0) + (gradient[i] ?? 0);
      first[i] = velocity;
      weights[i] = (weights[i] ?? 0) - rate * velocity;
    }
    return;
  }
  const { beta1, beta2, epsilon } = rule;
  const corrected1 = 1 - beta1 ** state.steps;
  const corrected2 = 1 - beta2 ** state.steps;
  const kept = rule.type === 'adamw' ? 1 - rate * weightDecay : 1;
  for (let i = 0; i < weights.length; i++) {
    const g = gradient[i] ?? 0;
    const mean = beta1 * (first[i] ?? 0) + (1 - beta1) * g;
    const square = beta2 * (second[i] ?? 0) + (1 - beta2) * g * g;
    first[i] = mean;
    second[i] = square;
    const by = mean / corrected1 / (Math.sqrt(square / corrected2) + epsilon);
    weights[i] = (weights[i] ?? 0) * kept - rate * by;
  }
};

/** A tensor of the optimiser's state, and its next value. */
export interface Kept {
  readonly before: Tfjs.Tensor;
  readonly after: Tfjs.Tensor;
}
export interface TensorUpdate {
  readonly weights: readonly Tfjs.Tensor[];
  readonly kept: readonly Kept[];
}

export interface TensorStep {
  readonly weights: readonly Tfjs.Tensor[];
  readonly gradients: readonly Tfjs.Tensor[];
  readonly rate: Tfjs.Tensor | number;
  /** The state between steps, requested in the same order in every step; initially zeros. */
  readonly slot: (shape: readonly number[]) => Tfjs.Tensor;
}

const clipped = (
  tf: Tf,
  gradients: readonly Tfjs.Tensor[],
  most: number | undefined,
): readonly Tfjs.Tensor[] => {
  if (most === undefined) return gradients;
  const squares = gradients.map((gradient) => tf.sum(tf.mul(gradient, gradient)));
  const norm = tf.sqrt(squares.reduce((a, b) => tf.add(a, b)));
  const scale = tf.minimum(tf.div(most, tf.add(norm, CLIP_EPSILON)), 1);
  return gradients.map((gradient) => tf.mul(gradient, scale));
};

/**
 * One step as operations of tfjs: the next weights and the optimiser's next state. A vector that is
 * added to the gradient comes first in the state, a tensor for each weight that moves. Engines fill
 * it, and no step changes it.
 */
export const updateTensors = (tf: Tf, rule: LocalRule, step: TensorStep): TensorUpdate => {
  if (rule.linear !== true) return pulledTensors(tf, rule, step);
  const added = step.weights.map(({ shape }) => step.slot(shape));
  const gradients = step.gradients.map((gradient, i) => tf.add(gradient, added[i] as Tfjs.Tensor));
  const next = pulledTensors(tf, rule, { ...step, gradients });
  return { weights: next.weights, kept: [...added.map(unchanged), ...next.kept] };
};

const unchanged = (tensor: Tfjs.Tensor): Kept => ({ before: tensor, after: tensor });

/**
 * If a correction needs the difference between the weights and their start, that difference is part
 * of the state too. It starts at zero like all state, so engines need not keep the initial weights.
 */
const pulledTensors = (tf: Tf, rule: LocalRule, step: TensorStep): TensorUpdate => {
  const { proximal } = rule;
  if (proximal === undefined) return stepTensors(tf, rule, step);
  const { weights, gradients, slot } = step;
  const moved = weights.map(({ shape }) => slot(shape));
  const corrected = gradients.map((gradient, i) =>
    tf.add(gradient, tf.mul(moved[i] as Tfjs.Tensor, proximal)),
  );
  const next = stepTensors(tf, rule, { ...step, gradients: corrected });
  const kept = moved.map((before, i): Kept => {
    const by = tf.sub(next.weights[i] as Tfjs.Tensor, weights[i] as Tfjs.Tensor);
    return { before, after: tf.add(before, by) };
  });
  return { weights: next.weights, kept: [...kept, ...next.kept] };
};

const stepTensors = (
  tf: Tf,
  { rule, weightDecay, clipGradient }: Optimizer,
  { weights, gradients, rate, slot }: TensorStep,
): TensorUpdate => {
  const coupled = rule.type === 'adamw' ? 0 : weightDecay;
  const pairs = clipped(tf, gradients, clipGradient).map((gradient, i) => {
    const weight = weights[i] as Tfjs.Tensor;
    const own = coupled === 0 ? gradient : tf.add(gradient, tf.mul(weight, coupled));
    return { weight, gradient: own };
  });
  if (rule.type === 'sgd')
    return {
      weights: pairs.map(({ weight, gradient }) => tf.sub(weight, tf.mul(gradient, rate))),
      kept: [],
    };
  const kept: Kept[] = [];
  const keep = (before: Tfjs.Tensor, after: Tfjs.Tensor): Tfjs.Tensor => {
    kept.push({ before, after });
    return after;
  };
  if (rule.type === 'momentum')
    return {
      weights: pairs.map(({ weight, gradient }) => {
        const before = slot(weight.shape);
        const velocity = keep(before, tf.add(tf.mul(before, rule.momentum), gradient));
        return tf.sub(weight, tf.mul(velocity, rate));
      }),
      kept,
    };
  const { beta1, beta2, epsilon } = rule;
  const running = (shape: readonly number[], beta: number, value: Tfjs.Tensor | number) => {
    const before = slot(shape);
    const added = typeof value === 'number' ? value * (1 - beta) : tf.mul(value, 1 - beta);
    return keep(before, tf.add(tf.mul(before, beta), added));
  };
  // The running means of ones: 1 - beta^t, which the others are divided by.
  const corrected1 = running([1], beta1, 1);
  const corrected2 = running([1], beta2, 1);
  return {
    weights: pairs.map(({ weight, gradient }) => {
      const mean = running(weight.shape, beta1, gradient);
      const square = running(weight.shape, beta2, tf.square(gradient));
      const root = tf.sqrt(tf.div(square, tf.reshape(corrected2, [])));
      const by = tf.div(tf.div(mean, tf.reshape(corrected1, [])), tf.add(root, epsilon));
      const left =
        rule.type === 'adamw' && weightDecay > 0
          ? tf.sub(weight, tf.mul(weight, tf.mul(rate, weightDecay)))
          : weight;
      return tf.sub(left, tf.mul(by, rate));
    }),
    kept,
  };
};
