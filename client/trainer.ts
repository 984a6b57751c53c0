/**
 * @module The Trainer port, between a participant and its training code: flat weights in, flat
 * weights out. `tfjsTrainer` is one implementation; `functionTrainer` makes one from any function.
 * A trainer is deterministic: the same request gives the same bytes on the same backend, regardless
 * of earlier requests.
 */
import type { Dataset } from './data/dataset.ts';
import type { PreflightReport } from './data/preflight.ts';
import { type Manifest, elementCount, parameterCount } from '../protocol/model/manifest.ts';
import type { BaseRef } from '../protocol/model/base.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import type { TaskType } from './task.ts';
import {
  type Correction,
  type Optimizer,
  requireCorrection,
  requireOptimizer,
} from './optimizer.ts';

export interface TrainRequest {
  /** Flat, in the manifest's order; not changed. */
  readonly weights: Float32Array;
  /** Counts the commits of the run, from 1: a repeated attempt has the same. */
  readonly round: number;
  /** Passes over the participant's examples, an integer >= 1. */
  readonly epochs: number;
  readonly batchSize: number;
  /**
   * Local steps in all, an integer >= 1, instead of `epochs`: passes over the examples, the last of
   * which may end early. A trainer without {@link Trainer.localSteps} is never given any.
   */
  readonly steps?: number;
  /** Of this round: the schedule of the run is applied. */
  readonly learningRate: number;
  /** Default: plain SGD. Its state is reset to zeros in each call. */
  readonly optimizer?: Optimizer;
  /**
   * Of the run's strategy, in each local step. A trainer without {@link Trainer.corrections} is
   * never given one.
   */
  readonly correction?: Correction;
  /** 32 bytes: the order of the examples, dropout. */
  readonly seed: Uint8Array;
  readonly signal?: AbortSignal;
  /** Called now and then with the examples done and to do over all epochs. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface TrainResult {
  /** After training; a fresh array. */
  readonly weights: Float32Array;
  /** Examples of one epoch. */
  readonly examples: number;
  /** Summed over the examples of the last epoch, as each was met in training. */
  readonly lossSum: number;
  /**
   * Correctly classified in the last epoch, 0 if unknown. Of labels and tokens the fraction that is
   * right, summed over the examples.
   */
  readonly correct: number;
  /**
   * Further metrics that the specification declares, by name: each at least 0, a `mean` as the sum
   * over the examples. `lossSum` is the metric `loss`, `correct` the metric `accuracy`.
   */
  readonly metrics?: Readonly<Record<string, number>>;
}

export interface EvaluateResult {
  readonly examples: number;
  readonly lossSum: number;
  readonly correct: number;
  /** Further metrics as in {@link TrainResult.metrics}. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** What a model gives for examples: rows of `columns` numbers, `steps` rows an example. */
export interface Predictions {
  /** Of the model, with `padding` for a sequence: the label of tokens that do not count. */
  readonly task: TaskType;
  readonly padding?: number | undefined;
  /** Row-major: probabilities of classes (two of a binary task), or values. */
  readonly rows: Float32Array;
  readonly columns: number;
  readonly steps: number;
}

export interface Trainer {
  readonly manifest: Manifest;
  /** The backend, as text for the first lines of output. */
  readonly backend: string;
  /**
   * Examples of one epoch, where that is known before: the participant's admission policy counts
   * local steps with it.
   */
  readonly examples?: number;
  /**
   * The frozen weights under the manifest's, where there are some: the run's specification must
   * name the same.
   */
  readonly base?: BaseRef;
  /**
   * Whether it follows {@link TrainRequest.correction}. Without it the trainer is refused by a run
   * whose strategy corrects local steps: `correction_unsupported`.
   */
  readonly corrections?: true;
  /**
   * Whether it follows {@link TrainRequest.steps}. Without it the trainer is refused by a run with
   * `localSteps`: `steps_unsupported`.
   */
  readonly localSteps?: true;
  /** Remarks on its own examples for their owner. May be made when it is read. */
  readonly report?: PreflightReport | undefined;
  /** Throws `aborted`, `tensor_mismatch`, `update_not_finite`, `trainer_failed`. */
  train(request: TrainRequest): Promise<TrainResult>;
  /** On `data`, or on the trainer's own examples. */
  evaluate(weights: Float32Array, data?: Dataset): Promise<EvaluateResult>;
  /**
   * What the model gives for `data`. Needed by runs that count classes or tokens of held-out
   * examples (`training.measures`).
   */
  predict?(weights: Float32Array, data: Dataset): Promise<Predictions>;
  dispose(): void;
}

/** What is copied from a trainer when it is wrapped. */
type Described = Exclude<keyof Trainer, 'report' | 'train' | 'evaluate' | 'predict' | 'dispose'>;

/** The same trainer with another `train`; its report is not made before it is read. */
export const withTrain = (trainer: Trainer, train: Trainer['train']): Trainer => {
  const { manifest, backend, examples, base, corrections, localSteps } = trainer;
  // Does not compile while it lacks a field that a trainer may have.
  const all = { manifest, backend, examples, base, corrections, localSteps } satisfies Record<
    Described,
    unknown
  >;
  return {
    manifest,
    backend,
    ...(all.examples === undefined ? {} : { examples: all.examples }),
    ...(all.base === undefined ? {} : { base: all.base }),
    ...(all.corrections === undefined ? {} : { corrections: all.corrections }),
    ...(all.localSteps === undefined ? {} : { localSteps: all.localSteps }),
    get report() {
      return trainer.report;
    },
    train,
    evaluate: (weights, data) => trainer.evaluate(weights, data),
    ...(trainer.predict === undefined
      ? {}
      : { predict: (weights, data) => trainer.predict!(weights, data) }),
    dispose: () => trainer.dispose(),
  };
};

/** Throws `tensor_mismatch` unless `weights` has one number for each parameter. */
export const requireLength = (manifest: Manifest, weights: Float32Array): void => {
  const expected = parameterCount(manifest);
  if (weights.length !== expected)
    throw new FloeError('tensor_mismatch', `expected ${expected} weights, got ${weights.length}`);
};

/** Throws `trainer_failed` unless the request's numbers make sense. */
export const requireRequest = (manifest: Manifest, request: TrainRequest): void => {
  requireLength(manifest, request.weights);
  const whole = (name: 'epochs' | 'batchSize' | 'steps'): void => {
    if (!Number.isSafeInteger(request[name]) || request[name]! < 1)
      throw new FloeError('trainer_failed', `${name}: expected >= 1, got ${request[name]}`);
  };
  whole('epochs');
  whole('batchSize');
  if (request.steps !== undefined) whole('steps');
  if (!Number.isFinite(request.learningRate) || request.learningRate < 0)
    throw new FloeError('trainer_failed', `learningRate: ${request.learningRate} is not >= 0`);
  if (request.optimizer !== undefined) requireOptimizer(request.optimizer);
  if (request.correction !== undefined)
    requireCorrection(request.correction, request.weights.length);
};

/**
 * Checks that a trainer supports the corrections that the strategy requires.
 * @throws FloeError `correction_unsupported`
 */
export const requireCorrections = (
  { corrections, backend }: Pick<Trainer, 'corrections' | 'backend'>,
  wanted: Correction | undefined,
): void => {
  if (wanted === undefined || corrections === true) return;
  const terms = [
    ...(wanted.proximal === 0 ? [] : [`a proximal term of ${wanted.proximal}`]),
    ...(wanted.linear === undefined ? [] : ['a vector added to the gradient']),
  ];
  const term = terms.length === 0 ? 'a correction' : terms.join(' and ');
  throw new FloeError(
    'correction_unsupported',
    `${term} in each local step; the trainer (${backend}) does not declare corrections`,
  );
};

/**
 * Checks that a trainer supports a given number of local steps.
 * @throws FloeError `steps_unsupported`
 */
export const requireSteps = (
  { localSteps, backend }: Pick<Trainer, 'localSteps' | 'backend'>,
  wanted: number | undefined,
): void => {
  if (wanted === undefined || localSteps === true) return;
  throw new FloeError(
    'steps_unsupported',
    `${wanted} local steps in a round; the trainer (${backend}) does not declare local steps`,
  );
};

/** Throws `aborted` once the signal has fired. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted === true)
    throw new FloeError('aborted', 'Training was cancelled.', {}, { cause: signal.reason });
};

/** Throws `update_not_finite` with the first tensor that holds NaN or infinity. */
export const requireFinite = (manifest: Manifest, weights: Float32Array): void => {
  // A plain sum: eight times as fast as a callback for each weight. Only NaN and infinity give NaN.
  let sum = 0;
  for (let i = 0; i < weights.length; i += 1) sum += weights[i]! * 0;
  if (sum === 0) return;
  const at = weights.findIndex((weight) => !Number.isFinite(weight));
  let end = 0;
  const tensor = manifest.tensors.find(({ shape }) => at < (end += elementCount(shape)));
  throw new FloeError(
    'update_not_finite',
    `training gave ${String(weights[at])} in ${tensor?.name ?? 'a tensor'}`,
    { index: at },
  );
};

export interface FunctionTrainerOptions {
  readonly manifest: Manifest;
  readonly train: (request: TrainRequest) => Promise<TrainResult> | TrainResult;
  /** Absent: `evaluate` throws `trainer_failed`. */
  readonly evaluate?: (
    weights: Float32Array,
    data?: Dataset,
  ) => Promise<EvaluateResult> | EvaluateResult;
  /** See {@link Trainer.examples}. */
  readonly examples?: number;
  /**
   * That `train` adds what {@link TrainRequest.correction} says to each gradient. Without it a
   * request with a correction throws `correction_unsupported`.
   */
  readonly corrections?: true;
  /** That `train` makes {@link TrainRequest.steps} steps where there are any. */
  readonly localSteps?: true;
  readonly dispose?: () => void;
  /** Default: `a function`. */
  readonly backend?: string;
}

/**
 * A trainer from any function, without tfjs. Its result is checked for length and finiteness; its
 * errors become `trainer_failed`.
 */
export const functionTrainer = (options: FunctionTrainerOptions): Trainer => ({
  manifest: options.manifest,
  backend: options.backend ?? 'a function',
  ...(options.examples === undefined ? {} : { examples: options.examples }),
  ...(options.corrections === undefined ? {} : { corrections: options.corrections }),
  ...(options.localSteps === undefined ? {} : { localSteps: options.localSteps }),
  train: async (request) => {
    requireRequest(options.manifest, request);
    const { corrections, localSteps, backend = 'a function' } = options;
    requireCorrections({ ...(corrections && { corrections }), backend }, request.correction);
    requireSteps({ ...(localSteps && { localSteps }), backend }, request.steps);
    throwIfAborted(request.signal);
    let result: TrainResult;
    try {
      result = await options.train(request);
    } catch (thrown) {
      throw toFloeError(thrown, 'trainer_failed');
    }
    throwIfAborted(request.signal);
    requireLength(options.manifest, result.weights);
    requireFinite(options.manifest, result.weights);
    return result;
  },
  evaluate: async (weights, data) => {
    requireLength(options.manifest, weights);
    if (options.evaluate === undefined)
      throw new FloeError('trainer_failed', 'this trainer has no function for evaluation');
    try {
      return await options.evaluate(weights, data);
    } catch (thrown) {
      throw toFloeError(thrown, 'trainer_failed');
    }
  },
  dispose: () => options.dispose?.(),
});
