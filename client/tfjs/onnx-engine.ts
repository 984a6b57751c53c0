/**
 * @module Training by recorded steps on ONNX Runtime: a step is traced once for each size of batch
 * and becomes a graph; a call of the runtime runs as many steps as fit a short stretch.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, elementCount } from '../../protocol/model/manifest.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { featureLength } from '../data/dataset.ts';
import type { RandomStream } from '../random.ts';
import { compileOnnx } from '../recorded/onnx/compile.ts';
import {
  type OnnxReplay,
  type OnnxRuntime,
  type OnnxSession,
  createOnnxSession,
} from '../recorded/onnx/session.ts';
import { type Plan, planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import { type Backend, switchBackend } from './backends.ts';
import { oneHotOf } from './batch-loss.ts';
import { type Batch, type Engine, type EpochsRequest, gather } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { type OutputKind, type Score, score } from './losses.ts';

/** Milliseconds for which one call may hold the event loop, where more than one step fits. */
const STRETCH_MS = 100;
/** Features of the steps of one call: 16 MB. */
const MOST_FLOATS = 1 << 22;
/** Sizes of batches whose graphs stay loaded. */
const MOST_REPLAYS = 8;

interface Planned {
  readonly plan: Plan;
  readonly compiled: ReturnType<typeof compileOnnx>;
}

interface Prepared {
  readonly plan: Plan;
  readonly replay: OnnxReplay;
}

/** Gives the graph for batches of this size, to train or to evaluate. */
type Prepare = (size: number, training: boolean) => Promise<Prepared>;

interface Replays {
  readonly prepare: Prepare;
  dispose(): void;
}

/** Graphs by size of batch, loaded when they are first needed. */
const createReplays = (
  session: OnnxSession,
  planned: (size: number, training: boolean) => Planned,
): Replays => {
  const prepared = new Map<string, Promise<Prepared>>();
  const make: Prepare = async (size, training) => {
    const { plan, compiled } = planned(size, training);
    return { plan, replay: await session.prepare(plan, compiled) };
  };
  return {
    prepare: async (size, training) => {
      const key = `${size} ${String(training)}`;
      const made = prepared.get(key) ?? make(size, training);
      // The last used stand at the end; those of sizes long not seen give their memory back.
      prepared.delete(key);
      prepared.set(key, made);
      const [[oldest = '', replaced] = []] = prepared;
      if (prepared.size > MOST_REPLAYS && replaced !== undefined) {
        prepared.delete(oldest);
        await (await replaced).replay.dispose();
      }
      return made;
    },
    dispose: () => {
      // Freed by the runtime when the last run has ended.
      for (const each of prepared.values()) void each.then(async ({ replay }) => replay.dispose());
    },
  };
};

interface Context {
  readonly tf: Backend['tf'];
  readonly kind: OutputKind;
  readonly outputs: number;
  readonly dropouts: number;
  readonly prepare: Prepare;
  readonly now: () => number;
}

/** Fresh numbers for `count` steps, by the plan's buffer: those that tfjs would draw. */
const drawsOf = (
  { tf, dropouts }: Context,
  { draws }: Plan,
  count: number,
  stream: RandomStream,
): (readonly [number, Float32Array])[] => {
  const drawn = draws.map(({ size }) => new Float32Array(size * count));
  for (let step = 0; step < count; step++) {
    // tfjs takes 0 for no seed. Each layer draws a seed, whether it is used or not.
    const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
    for (const [i, { size, layer }] of draws.entries()) {
      const numbers = tf.tidy(() =>
        tf.randomUniform([size], 0, 1, 'float32', seeds[layer] ?? 1).dataSync<'float32'>(),
      );
      drawn[i]?.set(numbers, step * size);
    }
  }
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
  const given = new Map(drawsOf(context, plan, count, stream));
  given.set(plan.features, batch.features);
  if (plan.targets !== undefined)
    given.set(
      plan.targets,
      context.kind === 'values'
        ? Float32Array.from(batch.labels)
        : oneHotOf(batch.labels, batch.size, context.outputs),
    );
  if (plan.learningRate !== undefined)
    given.set(plan.learningRate, new Float32Array(count).fill(learningRate));
  return replay.run(count, given);
};

const createTrain = (context: Context): Engine['train'] => {
  const { kind, now } = context;
  let atOnce = 1;
  return async (request) => {
    const { data, epochs, batchSize, order, pause } = request;
    const most = Math.max(1, Math.floor(MOST_FLOATS / (batchSize * featureLength(data))));
    let lossSum = 0;
    let correct = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const chosen = order(epoch);
      for (let at = 0; at < data.size;) {
        const left = data.size - at;
        const count = Math.max(1, Math.min(atOnce, Math.floor(left / batchSize)));
        const end = at + Math.min(left, count * batchSize);
        const batch = gather(data, chosen.subarray(at, end));
        const started = now();
        // Each call starts from the weights of the one before.
        // oxlint-disable-next-line no-await-in-loop
        const prediction = await runSteps(context, batch, count, request);
        const each = Math.max(0.01, (now() - started) / count);
        // As many as fit a stretch; the results do not depend on it.
        atOnce = Math.max(1, Math.min(most, atOnce * 2, Math.floor(STRETCH_MS / each)));
        if (epoch === epochs - 1) {
          const own = score(kind, prediction, batch.labels, batch.size);
          lossSum += own.lossSum;
          correct += own.correct;
        }
        at = end;
        // oxlint-disable-next-line no-await-in-loop
        await pause(epoch * data.size + at);
      }
    }
    return { lossSum, correct };
  };
};

const createEvaluate =
  ({ kind, prepare }: Context): Engine['evaluate'] =>
  async (data, batchSize, pause): Promise<Score> => {
    let lossSum = 0;
    let correct = 0;
    for (let at = 0; at < data.size; at += batchSize) {
      const length = Math.min(batchSize, data.size - at);
      const batch = gather(
        data,
        Uint32Array.from({ length }, (_, i) => at + i),
      );
      // oxlint-disable-next-line no-await-in-loop
      const { plan, replay } = await prepare(length, false);
      // oxlint-disable-next-line no-await-in-loop
      const prediction = await replay.run(1, new Map([[plan.features, batch.features]]));
      const own = score(kind, prediction, batch.labels, length);
      lossSum += own.lossSum;
      correct += own.correct;
      // oxlint-disable-next-line no-await-in-loop
      await pause();
    }
    return { lossSum, correct };
  };

/**
 * An engine for `model`; `now` gives milliseconds.
 * @throws Unrecordable when a step cannot be recorded, or has a part without an operator of ONNX
 */
export const onnxEngine = (
  { tf, name, eager }: Backend,
  runtime: OnnxRuntime,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  kind: OutputKind,
  now: () => number = () => systemClock.monotonic(),
): Engine => {
  const planned = (size: number, training: boolean): Planned => {
    switchBackend(tf, eager ?? name);
    const optimizer = training ? { optimizer: { type: 'sgd' } as const } : {};
    const plan = planOf(record({ tf, model, kind, size, ...optimizer }));
    return { plan, compiled: compileOnnx(plan) };
  };
  const dropouts = dropoutLayers(model).length;
  // Whether a model can be recorded does not depend on the size of the batch.
  planned(2, true);
  planned(2, false);
  const session = createOnnxSession(
    runtime,
    manifest.tensors.map(({ shape }) => elementCount(shape)),
  );
  const replays = createReplays(session, planned);
  const outputs = model.outputs[0]?.shape.at(-1) ?? 1;
  const context: Context = { tf, kind, outputs, dropouts, prepare: replays.prepare, now };
  return {
    load: (weights) => {
      session.load(weights);
    },
    train: createTrain(context),
    evaluate: createEvaluate(context),
    read: () => session.read(),
    dispose: () => {
      replays.dispose();
    },
  };
};
