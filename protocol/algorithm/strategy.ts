/**
 * @module A strategy: what a participant adds to its update, and what the server makes of the
 * decoded sum. It is data and two pure functions. A verifier of a round calls the same
 * functions, so both use nothing but + - * / and Math.sqrt, abs, sign, min, max, floor and fround,
 * in one fixed order: these are exact in IEEE 754 everywhere. No random numbers, no clock, no
 * internal state.
 *
 * The server's step is coordinate-wise: value i of its outputs follows from value i of its inputs
 * and from the totals. This is what lets a participant check a commit at one block of coordinates
 * without the rest of the sum.
 */
import type { BufferedRate } from './buffered-rate.ts';
import type { MetricSpec } from './metrics.ts';

/** A parameter as data: settings, flags, help and `floe strategies` come from it. */
export interface ParameterSpec {
  /**
   * In camel case; the flag is the same in kebab case: `serverLearningRate`,
   * `--server-learning-rate`.
   */
  readonly name: string;
  readonly default: number;
  /** A value is above `above`, or at least `least`, and at most `most`. */
  readonly above?: number;
  readonly least?: number;
  readonly most: number;
  readonly help: string;
  /** In a run with a list of members the default is their number. */
  readonly isMembers?: true;
  /** Of the server's rate: what the default is multiplied by where rounds are buffered. */
  readonly buffered?: BufferedRate;
}

export type ParameterValues = Readonly<Record<string, number>>;

/** Values of the sum in addition to the vector. */
export interface StepTotals {
  /** Sum of the capped example counts. */
  readonly weight: number;
  /** How many updates are in the sum. */
  readonly survivors: number;
  /** The strategy's own scalars by name: means and sums, as they are declared. */
  readonly scalars: ParameterValues;
}

/** One value for each coordinate that is stepped: all trainable ones, or those of one block. */
export interface ServerStep {
  readonly parameters: ParameterValues;
  readonly totals: StepTotals;
  /** The weighted mean of the clipped updates. */
  readonly mean: Float32Array;
  /** The means of the vectors of {@link MemberPart.segments}, in order. */
  readonly extra: readonly Float32Array[];
  /** Parameters of the model before the round. Not changed. */
  readonly before: Float32Array;
  /** The state before the round, in the order of {@link Strategy.state}. Not changed. */
  readonly stateBefore: readonly Float32Array[];
  /**
   * To be filled: the parameters after the round; they are rounded to the types of the model after.
   */
  readonly after: Float32Array;
  /** To be filled: the state after the round. */
  readonly stateAfter: readonly Float32Array[];
}

/**
 * A vector that the server carries from round to round: one float32 for each trainable
 * parameter of the model.
 */
export interface StateVector {
  readonly name: string;
  /** Its value before the first round; 0 unless told. */
  readonly initial?: (parameters: ParameterValues) => number;
}

/** What a participant has before it trains. One value for each trainable parameter in a vector. */
export interface MemberStart {
  readonly parameters: ParameterValues;
  /** The state of the model that the round starts from, in the order of {@link Strategy.state}. */
  readonly state: readonly Float32Array[];
  /** In the order of {@link MemberPart.kept}. Not changed. */
  readonly kept: readonly Float32Array[];
}

/** A participant's update before it is encoded. */
export interface MemberUpdate extends MemberStart {
  /** Trained minus received weights; the strategy may change it in place. */
  readonly delta: Float32Array;
  readonly examples: number;
  /** Local steps of the optimiser. */
  readonly steps: number;
  /**
   * The steps of plain SGD that move the weights as far, where all gradients are equal: `steps` for
   * SGD, more with momentum. It is the L1 norm of the vector a in FedNova (Wang et al. 2020).
   */
  readonly effectiveSteps: number;
  /** Of the local steps in this round. */
  readonly learningRate: number;
}

/**
 * What of a participant's vectors is in the sum, once clipped and rounded: decoded from its own
 * lanes, so that the mean over the participants is the mean that the server decodes.
 */
export interface SentUpdate {
  readonly delta: Float32Array;
  /** In the order of {@link MemberPart.segments}. */
  readonly vectors: readonly Float32Array[];
}

/**
 * A vector that travels under the same masks as the update, one value for each trainable parameter,
 * with its own norm and therefore its own scale.
 */
export interface MemberSegment {
  readonly name: string;
  /** The L2 norm that a participant's vector is clipped to. */
  readonly clipNorm: (parameters: ParameterValues) => number;
  /** Whether the mean is weighted by examples. */
  readonly weighted: boolean;
}

/**
 * A correction of local steps, which trainers follow. It is part of the gradient before
 * anything else is done with that: clipping, weight decay, the rule of the optimiser.
 */
export interface Correction {
  /**
   * mu of FedProx, at least 0: mu (w - w0) is added to the gradient, where w0 are the weights that
   * the round starts from.
   */
  readonly proximal: number;
  /**
   * A vector that is the same in all steps of a round, such as the control variates of SCAFFOLD;
   * one value for each weight of the model, 0 for those that do not train. None where it is absent.
   */
  readonly linear?: Float32Array;
}

/** The participant's side of a strategy. */
export interface MemberPart {
  /** At most 2. */
  readonly segments?: readonly MemberSegment[];
  /**
   * Numbers that travel under the same masks as the update; at most 8. Names differ from those of
   * metrics.
   */
  readonly scalars: readonly MetricSpec[];
  /**
   * @returns a value for each scalar, at least 0; of the kind `mean`: as a sum over the examples
   */
  prepare(update: MemberUpdate): ParameterValues;
  /**
   * The vectors of {@link segments}, in order, after `prepare`; one value for each trainable
   * parameter.
   */
  vectors?(update: MemberUpdate): readonly Float32Array[];
  /**
   * What is added to the gradient of each local step. Trainers that do not declare corrections are
   * refused: `correction_unsupported`.
   */
  correction?(parameters: ParameterValues): Correction;
  /**
   * Vectors that each participant carries from round to round, at most 2; they begin at zero. They
   * never leave the participant. They move on with the commits that its updates are in.
   */
  readonly kept?: readonly { readonly name: string }[];
  /** The kept vectors after the round. Needed with {@link kept}. */
  advance?(update: MemberUpdate, sent: SentUpdate): readonly Float32Array[];
  /** A vector that is added to the gradient of each local step, see {@link Correction.linear}. */
  linear?(start: MemberStart): Float32Array;
  /**
   * The local optimisers that the method is defined for, by their names in the settings; all of
   * them where it is absent. A run with another one is refused: `spec_invalid`.
   */
  readonly optimizers?: readonly string[];
}

export interface Strategy {
  /** 1 to 40 of a-z, 0-9 and -; begins with a letter. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Where it is from. */
  readonly source: string;
  readonly parameters: readonly ParameterSpec[];
  /** At most 8 vectors; empty where nothing is carried from round to round. */
  readonly state: readonly StateVector[];
  /** Where the update leaves as FedAvg's does, there is none. */
  readonly member?: MemberPart;
  /**
   * From the sum to the next model and state. Throws nothing: values that are not finite are
   * refused after.
   */
  step(input: ServerStep): void;
}

export const STRATEGY_LIMITS = {
  parameters: 16,
  state: 8,
  scalars: 8,
  segments: 2,
  kept: 2,
} as const;
