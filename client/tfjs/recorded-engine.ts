/**
 * @module Training by recorded steps on a GPU: a step is traced once for each batch size. A round
 * is then a list of steps on the device, with one read-back at its end.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import type { Dataset } from '../data/dataset.ts';
import { type LocalRule, PLAIN_SGD } from '../optimizer.ts';
import type { GpuDevice } from '../recorded/webgpu/device.ts';
import type { Replay } from '../recorded/webgpu/replay.ts';
import { type Session, type Step, createSession } from '../recorded/webgpu/session.ts';
import { type Backend, switchBackend } from './backends.ts';
import { drawsOf } from './draws.ts';
import { type Engine, type EpochsRequest, gather } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { type Score, score, targetsOf } from './losses.ts';
import type { Objective } from './objective.ts';
import { partsOfTrained, sizeOf, wholeWeights } from './whole-weights.ts';
import { isSameRule, planRecorder } from './record-plan.ts';
import { type Prepare, cacheReplays } from './replay-cache.ts';

/** A replay, with what each of its steps draws: how many numbers for which dropout layer. */
interface Prepared {
  readonly replay: Replay;
  readonly draws: readonly { readonly layer: number; readonly size: number }[];
}

/** Steps between two waits for the device: the event loop has its turn there. */
const STRETCH = 128;

/** The batches of one pass: full ones, then the remainder. */
const batches = (total: number, size: number): { readonly at: number; readonly size: number }[] =>
  Array.from({ length: Math.ceil(total / size) }, (_, i) => ({
    at: i * size,
    size: Math.min(size, total - i * size),
  }));

/** Puts all examples on the device. */
const loadExamples = (session: Session, data: Dataset, objective: Objective): void => {
  const whole = gather(
    data,
    Uint32Array.from({ length: data.size }, (_, i) => i),
  );
  const targets = targetsOf(objective, whole.labels, data.size);
  session.setExamples({ features: whole.features, targets, size: data.size });
};

/** Runs the steps of all epochs, many in one submission. Returns the order of the last epoch. */
const runEpochs = async (
  session: Session,
  prepare: Prepare<Prepared>,
  { data, epochs, batchSize, learningRate, order, pause }: EpochsRequest,
  draw: (wanted: Prepared['draws']) => readonly Float32Array[],
): Promise<Uint32Array> => {
  let last = new Uint32Array();
  let waiting = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    last = Uint32Array.from(order(epoch));
    session.setOrder(last);
    let pending: { prepared: Prepared; steps: Step[] } | undefined;
    const flush = (): void => {
      if (pending !== undefined) session.run(pending.prepared.replay, pending.steps);
      pending = undefined;
    };
    for (const { at, size } of batches(last.length, batchSize)) {
      // Replays are made when they are first needed; the others are there.
      const own = await prepare(size, true);
      if (pending !== undefined && pending.prepared !== own) flush();
      pending ??= { prepared: own, steps: [] };
      pending.steps.push({
        start: at,
        trail: at,
        learningRate,
        draws: draw(own.draws),
      });
      waiting++;
      if (waiting < STRETCH) continue;
      flush();
      waiting = 0;
      await session.finished();
      await pause(epoch * data.size + at + size);
    }
    flush();
  }
  await session.finished();
  return last;
};

/** Runs the model on all examples in their order, which it returns. */
const runAll = async (
  session: Session,
  prepare: Prepare<Prepared>,
  data: Dataset,
  batchSize: number,
): Promise<Uint32Array> => {
  const order = Uint32Array.from({ length: data.size }, (_, i) => i);
  session.setOrder(order);
  for (const { at, size } of batches(data.size, batchSize)) {
    const { replay } = await prepare(size, false);
    session.run(replay, [{ start: at, trail: at, learningRate: 0, draws: [] }]);
  }
  await session.finished();
  return order;
};

/**
 * An engine for `model`.
 * @throws Unrecordable when a step cannot be recorded
 */
export const recordedEngine = (
  backend: Backend,
  gpu: GpuDevice,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  objective: Objective,
): Engine => {
  const dropouts = dropoutLayers(model).length;
  const { tf, name, eager } = backend;
  const recorded = planRecorder(backend, model, objective);
  const open = (optimizer: LocalRule): { session: Session; prepare: Prepare<Prepared> } => {
    const { state, buffers } = recorded(2, optimizer);
    const session = createSession(gpu, {
      weights: model.weights.map(({ shape }) => sizeOf(shape)),
      state: state.map((buffer) => buffers[buffer] ?? 0),
      outputs: objective.width,
    });
    const { prepare } = cacheReplays<Prepared>(async (size, training) => {
      const plan = training ? recorded(size, optimizer) : recorded(size);
      return { replay: await session.prepare(plan, size), draws: plan.draws };
    });
    return { session, prepare };
  };
  // Whether a model can be recorded does not depend on the size of the batch.
  const travelling = parameterCount(manifest);
  // With a frozen base behind the manifest's weights.
  const whole = model.weights.length > manifest.tensors.length ? wholeWeights(model) : undefined;
  let own: LocalRule = PLAIN_SGD;
  let opened = open(own);
  recorded(2);

  let held: Dataset | undefined;
  let weights: Float32Array | undefined;
  /** What the state begins with under a rule that adds a vector to the gradient. */
  let added: readonly Float32Array[] = [];
  const loadSession = (flat: Float32Array): void => {
    opened.session.load(flat, own.linear === true ? added : []);
  };
  const setExamples = (data: Dataset): void => {
    if (held === data) return;
    loadExamples(opened.session, data, objective);
    held = data;
  };
  /** The device holds the optimiser's state: another optimiser needs a new session. */
  const use = (optimizer: LocalRule): void => {
    if (isSameRule(optimizer, own)) return;
    opened.session.dispose();
    opened = open(optimizer);
    own = optimizer;
    held = undefined;
    if (weights !== undefined) loadSession(weights);
  };

  const scoreTrail = async (data: Dataset, order: Uint32Array): Promise<Score> => {
    const { labels, size } = gather(data, order);
    return score(objective, await opened.session.readTrail(), labels, size);
  };

  return {
    load: (flat, linear) => {
      whole?.set(flat);
      weights = whole ?? flat;
      added = partsOfTrained(model, manifest, linear);
      loadSession(weights);
    },
    train: async (request) => {
      switchBackend(tf, eager ?? name);
      use(request.optimizer);
      weights = undefined;
      setExamples(request.data);
      const { session, prepare } = opened;
      const last = await runEpochs(session, prepare, request, (wanted) =>
        drawsOf(tf, dropouts, wanted, request.stream),
      );
      return scoreTrail(request.data, last);
    },
    evaluate: async (data, batchSize, pause) => {
      setExamples(data);
      const order = await runAll(opened.session, opened.prepare, data, batchSize);
      await pause();
      return scoreTrail(data, order);
    },
    read: async () => (await opened.session.readWeights()).subarray(0, travelling),
    dispose: () => {
      opened.session.dispose();
    },
  };
};
