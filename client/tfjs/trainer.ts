/**
 * @module The trainer for TensorFlow.js models: SGD or another optimiser over seeded shuffles of a
 * participant's examples, as in ClientUpdate of FederatedAveraging (McMahan et al. 2017, algorithm
 * 1).
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { BaseRef } from '../../protocol/model/base.ts';
import type { Manifest } from '../../protocol/model/manifest.ts';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { type BaseWeights, loadBase, travellingManifest } from '../adapters/base.ts';
import { adapterRemark } from '../adapters/with-adapters.ts';
import type { Dataset } from '../data/dataset.ts';
import { type PreflightReport, preflight } from '../data/preflight.ts';
import { PLAIN_SGD, localRule } from '../optimizer.ts';
import { randomStream } from '../random.ts';
import { Unrecordable } from '../recorded/lower/tape.ts';
import type { Task, TaskType } from '../task.ts';
import {
  type EvaluateResult,
  type Predictions,
  type Trainer,
  type TrainRequest,
  type TrainResult,
  requireFinite,
  requireLength,
  requireRequest,
  throwIfAborted,
} from '../trainer.ts';
import { type Backend, type BackendOptions, openBackends, switchBackend } from './backends.ts';
import { denseEngine, densePlan } from './dense-engine.ts';
import { type Engine, stepwise } from './engine.ts';
import { fastestOf } from './fastest.ts';
import { layersEngine } from './layers-engine.ts';
import { type OutputKind, scaleScore } from './losses.ts';
import { metricsOf } from './task-metrics.ts';
import { type ModelFunction, type Topology, modelFromTopology } from './models.ts';
import { requireContract } from './contract-fit.ts';
import { type Objective, labelsOf, objectiveOf } from './objective.ts';
import { onnxEngine } from './onnx-engine.ts';
import { passesOf } from './passes.ts';
import { recordedEngine } from './recorded-engine.ts';
import { predictionsOf } from './predictions.ts';
import { holders, queue, type Alone } from './shared-use.ts';
import { manifestOf, topologyOf } from './topology.ts';
import { tryEngine } from './trial.ts';
import { wasmEngine } from './wasm-engine.ts';

export interface TfjsTrainerOptions {
  /** A function of tfjs, a topology (JSON), or a model, which the trainer then owns. */
  readonly model: ModelFunction | Topology | Tfjs.LayersModel;
  /**
   * The task, which determines the loss. Default: the loss of a compiled model; otherwise
   * `regression` for float labels, and for classes `sequence` if the model outputs [steps,
   * classes], `binary` if it outputs one number, `multi-class` otherwise.
   */
  readonly task?: Task | TaskType;
  /**
   * The meaning of the model's outputs, if its last operation does not determine it: `logits`,
   * `probabilities` or `values`. Default: read from the model, through nested models and wrappers.
   */
  readonly outputs?: OutputKind;
  readonly data: Dataset;
  /** The data contract that the examples follow: the model must have its shape and outputs. */
  readonly contract?: Contract;
  /**
   * The weights of the model that do not train: they are written once, are no part of the manifest,
   * and {@link Trainer.base} names them. For a model of `withAdapters`.
   */
  readonly base?: BaseWeights;
  /** Default: wasm, or else plain JavaScript: the same result on every machine. */
  readonly backend?: BackendOptions | Backend;
  /** The examples were checked against this model before and need not be read for it again. */
  readonly checked?: boolean;
  /** False keeps stacks of dense layers on tfjs too. Default true. */
  readonly denseFastPath?: boolean;
  /** False lets tfjs run each step on wasm, where it could be recorded. Default true. */
  readonly recorded?: boolean;
  /** False does not try one step when the trainer is made. Default true. */
  readonly trial?: boolean;
  /** Examples in one batch of `evaluate`. Default 256. */
  readonly evaluationBatch?: number;
  /** Milliseconds, for deciding when to let other work run. Default: monotonic time. */
  readonly now?: () => number;
}

export interface TfjsTrainer extends Trainer {
  /** With the manifest's names: for `exportTfjs` and for a run specification. */
  readonly topology: Topology;
  /** The task of the model, with all parameters. */
  readonly task: Required<Task>;
  /** Remarks on the examples for their owner. */
  readonly report: PreflightReport;
  /**
   * The same model and memory on other examples: for many participants in one process. Calls wait
   * for each other; the last `dispose` frees it. `checked` as in the options.
   */
  withData(data: Dataset, options?: { readonly checked?: boolean }): TfjsTrainer;
}

/** How long a stretch of work may hold the event loop: heartbeats must get through. */
const STRETCH_MS = 20;

/** Lets timers and sockets have their turn. */
const breathe = async (): Promise<void> => {
  await new Promise<void>((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
};

const isModel = (model: object): model is Tfjs.LayersModel =>
  typeof (model as { predict?: unknown }).predict === 'function';

/** What trainers over one model share. */
interface Shared {
  readonly backend: string;
  readonly manifest: Manifest;
  readonly base: BaseRef | undefined;
  readonly topology: Topology;
  readonly engine: Engine;
  /** With these weights in the model of tfjs, which engines load anew for each call. */
  readonly predict: (weights: Float32Array, data: Dataset) => Promise<Predictions>;
  readonly objective: Objective;
  readonly options: TfjsTrainerOptions;
  /** Throws `data_unfit` unless the examples fit the model. */
  readonly check: (data: Dataset) => PreflightReport;
  /** Runs one call after another: they share the weights. */
  readonly alone: Alone;
  /** One more trainer over the model; returns what ends it, and with the last one the model. */
  readonly hold: () => () => void;
}

/** Converts errors of the engine to `trainer_failed`. */
const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (thrown) {
    throw toFloeError(thrown, 'trainer_failed');
  }
};

/** Lets other work run once a stretch is over, after saying how far the work is. */
const resting = (options: TfjsTrainerOptions) => {
  const now = options.now ?? (() => systemClock.monotonic());
  let rested = now();
  return async (say: () => void, signal?: AbortSignal): Promise<void> => {
    if (now() - rested < STRETCH_MS) return;
    say();
    await breathe();
    throwIfAborted(signal);
    rested = now();
  };
};

const trainOn = async (
  { engine, manifest, objective, options }: Shared,
  data: Dataset,
  request: TrainRequest,
): Promise<TrainResult> => {
  const { batchSize, learningRate, seed, round, signal, onProgress } = request;
  const optimizer = localRule(request.optimizer ?? PLAIN_SGD, request.correction);
  requireRequest(manifest, request);
  throwIfAborted(signal);
  const { epochs, last, order } = passesOf(request, data.size);
  const examples = data.size * (epochs - 1) + last;
  const rest = resting(options);
  engine.load(request.weights, request.correction?.linear);
  const total = await engine.train({
    data,
    epochs,
    batchSize,
    learningRate,
    optimizer,
    stream: randomStream(seed, `layers/${round}`),
    order,
    pause: async (done) =>
      rest(() => {
        onProgress?.(done, examples);
      }, signal),
  });
  throwIfAborted(signal);
  onProgress?.(examples, examples);
  const weights = await engine.read();
  requireFinite(manifest, weights);
  // As sums over all examples, where the last pass ended early.
  const measured = last === data.size ? total : scaleScore(total, data.size / last);
  const { lossSum, correct } = measured;
  return { weights, examples: data.size, lossSum, correct, ...metricsOf(objective, measured) };
};

const evaluateOn = async (
  { engine, manifest, objective, options }: Shared,
  data: Dataset,
  weights: Float32Array,
): Promise<EvaluateResult> => {
  requireLength(manifest, weights);
  const rest = resting(options);
  engine.load(weights);
  const total = await engine.evaluate(data, options.evaluationBatch ?? 256, async () =>
    rest(() => undefined),
  );
  const { lossSum, correct } = total;
  return { examples: data.size, lossSum, correct, ...metricsOf(objective, total) };
};

const over = (shared: Shared, data: Dataset, checked = false): TfjsTrainer => {
  if (!checked) shared.check(data);
  return {
    manifest: shared.manifest,
    ...(shared.base === undefined ? {} : { base: shared.base }),
    backend: shared.backend,
    topology: shared.topology,
    task: shared.objective.task,
    get report() {
      return shared.check(data);
    },
    examples: data.size,
    corrections: true,
    localSteps: true,
    train: async (request) =>
      shared.alone(async () => guarded(async () => trainOn(shared, data, request))),
    evaluate: async (weights, other = data) => {
      if (!checked || other !== data) shared.check(other);
      return shared.alone(async () => guarded(async () => evaluateOn(shared, other, weights)));
    },
    predict: async (weights, other) => {
      if (!checked || other !== data) shared.check(other);
      requireLength(shared.manifest, weights);
      return shared.alone(async () => guarded(async () => shared.predict(weights, other)));
    },
    withData: (other, { checked: wasChecked } = {}) => over(shared, other, wasChecked),
    dispose: shared.hold(),
  };
};

const buildModel = async (
  backend: Backend,
  model: TfjsTrainerOptions['model'],
): Promise<Tfjs.LayersModel> => {
  if (typeof model === 'object' && isModel(model)) return model;
  return (typeof model === 'function' ? model : modelFromTopology(model))(backend.tf);
};

/** tfjs itself, step by step. */
const eagerEngine = (...given: Parameters<typeof layersEngine>): Engine =>
  stepwise(layersEngine(...given));

/**
 * Recorded steps on a GPU, dense stacks without tfjs, or tfjs step by step; the remark says what
 * and why.
 */
const chooseEngine = (
  backend: Backend,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  objective: Objective,
  plan: ReturnType<typeof densePlan>,
  recorded: boolean,
): { readonly engine: Engine; readonly remark: string } => {
  if (backend.gpu !== undefined) {
    try {
      const engine = recordedEngine(backend, backend.gpu, model, manifest, objective);
      return { engine, remark: '; steps are recorded once and replayed' };
    } catch (thrown) {
      if (!(thrown instanceof Unrecordable)) throw thrown;
      const engine = eagerEngine(backend, model, manifest, objective);
      const reason = `${thrown.message} cannot be recorded, so that it trains on ${backend.eager}`;
      return { engine, remark: `; ${reason}` };
    }
  }
  if (backend.onnx !== undefined) {
    try {
      const engine = onnxEngine(backend, backend.onnx, model, manifest, objective);
      return { engine, remark: '; steps are recorded once and run as one graph' };
    } catch (thrown) {
      if (!(thrown instanceof Unrecordable)) throw thrown;
      // Another executor of recorded steps may have what this one has not.
      const { onnx: _, ...others } = backend;
      const next = { ...others, name: backend.eager ?? 'wasm' };
      const { engine, remark } = chooseEngine(next, model, manifest, objective, plan, recorded);
      return {
        engine,
        remark: `; not ${thrown.message}, so that it trains on ${next.name}${remark}`,
      };
    }
  }
  if (plan !== undefined)
    return {
      engine: stepwise(denseEngine(plan)),
      remark: '; dense layers run without tfjs between the kernels',
    };
  if (backend.name === 'wasm' && recorded) {
    try {
      const engine = stepwise(wasmEngine(backend, model, manifest, objective));
      return { engine, remark: '; steps are recorded once and replayed' };
    } catch (thrown) {
      if (!(thrown instanceof Unrecordable)) throw thrown;
      const engine = eagerEngine(backend, model, manifest, objective);
      return { engine, remark: `; ${thrown.message} cannot be recorded: tfjs runs each step` };
    }
  }
  return { engine: eagerEngine(backend, model, manifest, objective), remark: '' };
};

const share = async (
  options: TfjsTrainerOptions,
  backend: Backend,
  model: Tfjs.LayersModel,
): Promise<Shared> => {
  const { data, denseFastPath = true } = options;
  const { contract } = options;
  const weights = contract?.target.type === 'classes' ? contract.target.weights : undefined;
  const objective = objectiveOf(backend.tf, model, data, { ...options, weights });
  const inputShape = (model.inputs[0]?.shape ?? []).slice(1);
  if (contract !== undefined) requireContract(contract, inputShape, objective);
  const shape = { inputShape, ...labelsOf(objective) };
  const reports = new WeakMap<Dataset, PreflightReport>();
  const check = (examples: Dataset): PreflightReport => {
    const report = reports.get(examples) ?? preflight(examples, shape);
    reports.set(examples, report);
    return report;
  };
  const base = options.base && loadBase(backend.tf, model, options.base);
  const manifest = base === undefined ? manifestOf(model) : travellingManifest(model);
  const inexact = adapterRemark(model);
  const plan = backend.name === 'wasm' && denseFastPath ? densePlan(model, objective) : undefined;
  // Examples that do not fit are named as such, before anything is tried with them.
  if (options.checked !== true) check(data);
  const recorded = options.recorded ?? true;
  const first = chooseEngine(backend, model, manifest, objective, plan, recorded);
  const eager = (): Engine => eagerEngine(backend, model, manifest, objective);
  const chosen =
    options.trial === false
      ? first
      : await tryEngine(first, eager, { tf: backend.tf, manifest, data });
  return {
    backend: [`${backend.description}${chosen.remark}`, objective.description, inexact]
      .filter((part) => part !== undefined)
      .join('; '),
    manifest,
    base,
    topology: topologyOf(model),
    engine: chosen.engine,
    predict: predictionsOf(backend, model, manifest, objective),
    objective,
    options,
    check,
    alone: queue(),
    hold: holders(() => {
      chosen.engine.dispose();
      model.dispose();
    }),
  };
};

/**
 * A trainer of a tf.LayersModel with one input and one output. On the wasm backend, stacks of dense
 * layers run without tfjs (`denseFastPath`), and the backend line states it. Deterministic for a
 * seed and a backend; layers with randomness other than Dropout are refused. One step is tried
 * immediately, unless `trial` is false.
 * @throws FloeError `backend_unavailable`, `model_malformed` for a model that cannot be trained
 * here, `data_unfit`
 */
export const tfjsTrainer = async (options: TfjsTrainerOptions): Promise<TfjsTrainer> => {
  const { backend: chosen = {}, data } = options;
  const { backends, skipped } =
    'tf' in chosen ? { backends: [chosen], skipped: [] } : await openBackends(chosen);
  const [first] = backends;
  if (first === undefined) throw new FloeError('internal', 'no backend');
  switchBackend(first.tf, first.eager ?? first.name);
  const model = await buildModel(first, options.model);
  const make = async (backend: Backend): Promise<Shared> => {
    switchBackend(backend.tf, backend.eager ?? backend.name);
    return share(options, backend, model);
  };
  try {
    const now = options.now ?? (() => systemClock.monotonic());
    return over(await fastestOf(backends, skipped, make, { data, now }), data, options.checked);
  } catch (thrown) {
    model.dispose();
    throw thrown;
  }
};
