/**
 * @module Training by recorded steps on ONNX Runtime: a step is traced once for each batch size and
 * becomes a graph. One call of the runtime runs as many steps as fit a short time slice.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { featureLength } from '../data/dataset.ts';
import { type LocalRule, PLAIN_SGD } from '../optimizer.ts';
import type { RandomStream } from '../random.ts';
import { compileOnnx } from '../recorded/onnx/compile.ts';
import { type OnnxReplay, type OnnxRuntime, createOnnxSession } from '../recorded/onnx/session.ts';
import type { Plan } from '../recorded/plan.ts';
import type { Backend } from './backends.ts';
import { drawsOf } from './draws.ts';
import { type Batch, type Engine, type EpochsRequest, gather } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { NO_SCORE, type Score, addScores, score, targetsOf } from './losses.ts';
import type { Objective } from './objective.ts';
import { isSameRule, planRecorder } from './record-plan.ts';
import { type Prepare, cacheReplays } from './replay-cache.ts';
import { partsOfTrained, sizeOf, wholeWeights } from './whole-weights.ts';

/** Milliseconds for which one call may hold the event loop, where more than one step fits. */
const STRETCH_MS = 100;
/** Features of the steps of one call: 16 MB. */
const MOST_FLOATS = 1 << 22;
interface Prepared {
  readonly plan: Plan;
  readonly replay: OnnxReplay;
}

interface Context {
  readonly tf: Backend['tf'];
  readonly objective: Objective;
  readonly dropouts: number;
  readonly prepare: Prepare<Prepared>;
  readonly now: () => number;
}

/** Fresh numbers for `count` steps, by the plan's buffer. */
const drawsOfSteps = (
  { tf, dropouts }: Context,
  { draws }: Plan,
  count: number,
  stream: RandomStream,
): (readonly [number, Float32Array])[] => {
  const drawn = draws.map(({ size }) => new Float32Array(size * count));
  for (let step = 0; step < count; step++)
    for (const [i, values] of drawsOf(tf, dropouts, draws, stream).entries())
      drawn[i]?.set(values, step * values.length);
  return draws.map(({ buffer }, i) => [buffer, drawn[i] ?? new Float32Array()] as const);
};

/** Runs `count` steps on the examples of `batch`; returns what they predict. */
const runSteps = async (
  context: Context,
  batch: Batch,
  count: number,
  { learningRate, stream }: EpochsRequest,
): Promise<Float32Array> => {
  const { plan, replay } = await context.prepare(batch.size / count, true);
  const given = new Map(drawsOfSteps(context, plan, count, stream));
  given.set(plan.features, batch.features);
  if (plan.targets !== undefined)
    given.set(plan.targets, targetsOf(context.objective, batch.labels, batch.size));
  if (plan.learningRate !== undefined)
    given.set(plan.learningRate, new Float32Array(count).fill(learningRate));
  return replay.run(count, given);
};

const createTrain = (context: Context): Engine['train'] => {
  const { objective, now } = context;
  let atOnce = 1;
  return async (request) => {
    const { data, epochs, batchSize, order, pause } = request;
    const most = Math.max(1, Math.floor(MOST_FLOATS / (batchSize * featureLength(data))));
    let total = NO_SCORE;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const chosen = order(epoch);
      for (let at = 0; at < chosen.length;) {
        const left = chosen.length - at;
        const count = Math.max(1, Math.min(atOnce, Math.floor(left / batchSize)));
        const end = at + Math.min(left, count * batchSize);
        const batch = gather(data, chosen.subarray(at, end));
        const started = now();
        // Each call starts from the weights of the one before.
        const prediction = await runSteps(context, batch, count, request);
        const each = Math.max(0.01, (now() - started) / count);
        // As many as fit a stretch; the results do not depend on it.
        atOnce = Math.max(1, Math.min(most, atOnce * 2, Math.floor(STRETCH_MS / each)));
        if (epoch === epochs - 1) {
          total = addScores(total, score(objective, prediction, batch.labels, batch.size));
        }
        at = end;
        await pause(epoch * data.size + at);
      }
    }
    return total;
  };
};

const createEvaluate =
  ({ objective, prepare }: Context): Engine['evaluate'] =>
  async (data, batchSize, pause): Promise<Score> => {
    let total = NO_SCORE;
    for (let at = 0; at < data.size; at += batchSize) {
      const length = Math.min(batchSize, data.size - at);
      const batch = gather(
        data,
        Uint32Array.from({ length }, (_, i) => at + i),
      );
      const { plan, replay } = await prepare(length, false);
      const prediction = await replay.run(1, new Map([[plan.features, batch.features]]));
      total = addScores(total, score(objective, prediction, batch.labels, length));
      await pause();
    }
    return total;
  };

/**
 * An engine for `model`; `now` gives milliseconds.
 * @throws Unrecordable when a step cannot be recorded, or has a part without an operator of ONNX
 */
export const onnxEngine = (
  backend: Backend,
  runtime: OnnxRuntime,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  objective: Objective,
  now: () => number = () => systemClock.monotonic(),
): Engine => {
  const travelling = parameterCount(manifest);
  const sizes = model.weights.map(({ shape }) => sizeOf(shape));
  // With a frozen base behind the manifest's weights.
  const whole = model.weights.length > manifest.tensors.length ? wholeWeights(model) : undefined;
  const recorded = planRecorder(backend, model, objective);
  const planned = (size: number, optimizer?: LocalRule) => {
    const plan = recorded(size, optimizer);
    return { plan, compiled: compileOnnx(plan) };
  };
  const open = (optimizer: LocalRule) => {
    const session = createOnnxSession(runtime, sizes);
    const graphs = cacheReplays<Prepared>(async (size, training) => {
      const { plan, compiled } = training ? planned(size, optimizer) : planned(size);
      return { plan, replay: await session.prepare(plan, compiled) };
    });
    return { session, graphs };
  };
  const dropouts = dropoutLayers(model).length;
  // Whether a model can be recorded does not depend on the size of the batch.
  let own: LocalRule = PLAIN_SGD;
  planned(2, own);
  planned(2);
  let opened = open(own);
  /** What the state begins with under a rule that adds a vector to the gradient. */
  let added: readonly Float32Array[] = [];
  const loadSession = (flat: Float32Array): void => {
    opened.session.load(flat, own.linear === true ? added : []);
  };
  /** The session holds the optimiser's state: another optimiser needs a new session. */
  const use = (optimizer: LocalRule): void => {
    if (isSameRule(optimizer, own)) return;
    const weights = opened.session.read();
    opened.graphs.dispose();
    opened = open(optimizer);
    own = optimizer;
    loadSession(weights);
  };
  const prepare: Prepare<Prepared> = async (size, training) =>
    opened.graphs.prepare(size, training);
  const context: Context = { tf: backend.tf, objective, dropouts, prepare, now };
  const train = createTrain(context);
  return {
    load: (weights, linear) => {
      whole?.set(weights);
      added = partsOfTrained(model, manifest, linear);
      loadSession(whole ?? weights);
    },
    train: async (request) => {
      use(request.optimizer);
      return train(request);
    },
    evaluate: createEvaluate(context),
    read: () => opened.session.read().subarray(0, travelling),
    dispose: () => {
      opened.graphs.dispose();
    },
  };
};
