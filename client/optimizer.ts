/**
 * @module The optimisers of local training, as PyTorch defines them: SGD, momentum, Adam (Kingma
 * and Ba 2015) and AdamW (Loshchilov and Hutter 2019), with weight decay, gradient-norm clipping,
 * and the learning rate of a round. The optimiser's state is reset to zeros in every round: it
 * never leaves the participant, and the global model has changed since the last round.
 */
import type { Correction } from '../protocol/algorithm/strategy.ts';
import { FloeError } from '../protocol/errors.ts';

export type { Correction };

export type OptimizerRule =
  | { readonly type: 'sgd' }
  /** v = momentum v + g; w = w - rate v. */
  | { readonly type: 'momentum'; readonly momentum: number }
  /** m, v: running means of g and g^2, corrected for their start at zero. */
  | {
      readonly type: 'adam' | 'adamw';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
    };

export interface Optimizer {
  readonly rule: OptimizerRule;
  /**
   * At least 0. For `adamw`, each step shrinks w by rate x weightDecay, separately from the update;
   * for the others, weightDecay x w is added to the gradient.
   */
  readonly weightDecay: number;
  /** The largest L2 norm of a step's gradient over all weights; longer ones are scaled down. */
  readonly clipGradient?: number;
}

/** The rule of an engine's steps: the optimiser and the correction. */
export interface LocalRule extends Optimizer {
  /** See {@link Correction.proximal}; absent for 0. */
  readonly proximal?: number;
  /**
   * Whether a vector is added to each gradient. The vector is another one in each round: engines
   * take it when they load weights.
   */
  readonly linear?: true;
}

/** A correction of 0 is none: the steps are the same to the bit. */
export const localRule = (optimizer: Optimizer, correction: Correction | undefined): LocalRule => ({
  ...optimizer,
  ...(correction === undefined || correction.proximal === 0
    ? {}
    : { proximal: correction.proximal }),
  ...(correction?.linear === undefined ? {} : { linear: true }),
});

export const PLAIN_SGD: Optimizer = { rule: { type: 'sgd' }, weightDecay: 0 };

/** Whether it is w - rate g alone. */
export const isPlain = (of: LocalRule): boolean =>
  of.rule.type === 'sgd' &&
  of.weightDecay === 0 &&
  of.clipGradient === undefined &&
  of.proximal === undefined &&
  of.linear === undefined;

/** As PyTorch's clip_grad_norm_, so that a gradient of zeros stays one. */
export const CLIP_EPSILON = 1e-6;

const within = (name: string, value: number, from: number, below: number): void => {
  if (!(value >= from && value < below))
    throw new FloeError('trainer_failed', `${name}: expected ${from} to below ${below}: ${value}`);
};

/** @throws FloeError `trainer_failed` for numbers out of range */
export const requireOptimizer = ({ rule, weightDecay, clipGradient }: Optimizer): void => {
  within('weightDecay', weightDecay, 0, Infinity);
  if (clipGradient !== undefined) within('clipGradient', clipGradient, Number.MIN_VALUE, Infinity);
  if (rule.type === 'momentum') within('momentum', rule.momentum, 0, 1);
  if (rule.type !== 'adam' && rule.type !== 'adamw') return;
  within('beta1', rule.beta1, 0, 1);
  within('beta2', rule.beta2, 0, 1);
  within('epsilon', rule.epsilon, Number.MIN_VALUE, Infinity);
};

/**
 * @param size weights of the model
 * @throws FloeError `trainer_failed` for numbers out of range, and a vector of another size
 */
export const requireCorrection = ({ proximal, linear }: Correction, size: number): void => {
  within('correction.proximal', proximal, 0, Infinity);
  if (linear === undefined) return;
  if (linear.length !== size)
    throw new FloeError(
      'trainer_failed',
      `correction.linear: expected ${size} values, got ${linear.length}`,
    );
  const index = linear.findIndex((value) => !Number.isFinite(value));
  if (index !== -1)
    throw new FloeError('trainer_failed', `correction.linear: value ${index} is not finite`);
};

export interface StepSettings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly localSteps?: number | undefined;
}

/** The local steps of a round. */
export const localSteps = (
  { epochs, batchSize, localSteps: steps }: StepSettings,
  examples: number,
): number => steps ?? epochs * Math.ceil(examples / batchSize);

/**
 * The steps of plain SGD that move the weights as far as `steps` of a rule, where all gradients are
 * equal. With momentum m the velocities are 1, 1 + m, ..., and their sum is
 * (steps - m (1 - m^steps) / (1 - m)) / (1 - m): the norm of a in FedNova, Wang et al. 2020.
 * Adaptive rules count their steps.
 */
export const effectiveSteps = (rule: OptimizerRule, steps: number): number => {
  if (rule.type !== 'momentum') return steps;
  const { momentum: m } = rule;
  return (steps - (m * (1 - m ** steps)) / (1 - m)) / (1 - m);
};

/** How the learning rate changes over the rounds of a run. */
export type Schedule =
  | { readonly type: 'constant' }
  /** Times `factor` after every `every` rounds. */
  | { readonly type: 'step'; readonly every: number; readonly factor: number }
  /** From the learning rate to `least` times it along half a cosine, over the rounds of the run. */
  | { readonly type: 'cosine'; readonly least: number };

/** The settings of local training that a run specification has. */
export interface TrainingSettings {
  readonly learningRate: number;
  readonly optimizer?: OptimizerRule | undefined;
  readonly weightDecay?: number | undefined;
  readonly clipGradient?: number | undefined;
  readonly schedule?: Schedule | undefined;
}

/** The optimiser of a run; undefined for plain SGD. */
export const optimizerOf = (settings: TrainingSettings): Optimizer | undefined => {
  const { optimizer = { type: 'sgd' }, weightDecay = 0, clipGradient } = settings;
  const made: Optimizer = {
    rule: optimizer,
    weightDecay,
    ...(clipGradient === undefined ? {} : { clipGradient }),
  };
  return isPlain(made) ? undefined : made;
};

/** The learning rate of a round. @param round counts from 1 @param rounds of the whole run */
export const rateOfRound = (
  { learningRate, schedule = { type: 'constant' } }: TrainingSettings,
  round: number,
  rounds: number,
): number => {
  switch (schedule.type) {
    case 'constant':
      return learningRate;
    case 'step':
      return learningRate * schedule.factor ** Math.floor((round - 1) / schedule.every);
    case 'cosine': {
      const done = Math.min(1, (round - 1) / Math.max(1, rounds - 1));
      const fraction = (1 + Math.cos(Math.PI * done)) / 2;
      return learningRate * (schedule.least + (1 - schedule.least) * fraction);
    }
  }
};
