/**
 * @module Training by recorded steps on a GPU: a step is traced once for each size of batch, then a
 * round is a list of steps on the device, with one read-back at its end.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { RandomStream } from '../random.ts';
import { planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import type { GpuDevice } from '../recorded/webgpu/device.ts';
import { type Session, type Step, createSession } from '../recorded/webgpu/session.ts';
import { type Backend, switchBackend } from './backends.ts';
import { oneHotOf } from './batch-loss.ts';
import { type Engine, type EpochsRequest, gather } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { type OutputKind, type Score, score } from './losses.ts';
import { sizeOf, wholeWeights } from './whole-weights.ts';
import { type Prepare, type Prepared, cacheReplays } from './replay-cache.ts';

/** Steps between two waits for the device: the event loop has its turn there. */
const STRETCH = 128;

/** The batches of one pass: whole ones, then what is left. */
const batches = (total: number, size: number): { readonly at: number; readonly size: number }[] =>
  Array.from({ length: Math.ceil(total / size) }, (_, i) => ({
    at: i * size,
    size: Math.min(size, total - i * size),
  }));

/** Puts all examples on the device. */
const loadExamples = (session: Session, data: Dataset, kind: OutputKind, outputs: number): void => {
  const whole = gather(
    data,
    Uint32Array.from({ length: data.size }, (_, i) => i),
  );
  const targets =
    kind === 'values'
      ? Float32Array.from(whole.labels)
      : oneHotOf(whole.labels, data.size, outputs);
  session.setExamples({ features: whole.features, targets, size: data.size });
};

/** The numbers that tfjs would draw in this step. */
const drawsOf = (
  tf: Backend['tf'],
  dropouts: number,
  wanted: Prepared['draws'],
  stream: RandomStream,
): readonly Float32Array[] => {
  // tfjs takes 0 for no seed. Each layer draws a seed, whether it is used or not.
  const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
  return wanted.map(({ layer, size }) =>
    tf.tidy(() =>
      tf.randomUniform([size], 0, 1, 'float32', seeds[layer] ?? 1).dataSync<'float32'>(),
    ),
  );
};

/** Runs the steps of all epochs, many in one submission. Returns the order of the last epoch. */
const runEpochs = async (
  session: Session,
  prepare: Prepare,
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
    for (const { at, size } of batches(data.size, batchSize)) {
      // Replays are made when they are first needed; the others are there.
      // oxlint-disable-next-line no-await-in-loop
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
      // oxlint-disable-next-line no-await-in-loop
      await session.finished();
      // oxlint-disable-next-line no-await-in-loop
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
  prepare: Prepare,
  data: Dataset,
  batchSize: number,
): Promise<Uint32Array> => {
  const order = Uint32Array.from({ length: data.size }, (_, i) => i);
  session.setOrder(order);
  for (const { at, size } of batches(data.size, batchSize)) {
    // oxlint-disable-next-line no-await-in-loop
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
  { tf, name, eager }: Backend,
  gpu: GpuDevice,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  kind: OutputKind,
): Engine => {
  const dropouts = dropoutLayers(model).length;
  const outputs = model.outputs[0]?.shape.at(-1) ?? 1;
  const recorded = (size: number, training: boolean) => {
    switchBackend(tf, eager ?? name);
    const optimizer = training ? { optimizer: { type: 'sgd' } as const } : {};
    return planOf(record({ tf, model, kind, size, ...optimizer }));
  };
  // Whether a model can be recorded does not depend on the size of the batch.
  recorded(2, true);
  recorded(2, false);
  const session = createSession(gpu, {
    weights: model.weights.map(({ shape }) => sizeOf(shape)),
    state: [],
    outputs,
  });
  const travelling = parameterCount(manifest);
  // With a frozen base behind the manifest's weights.
  const whole = model.weights.length > manifest.tensors.length ? wholeWeights(model) : undefined;
  const prepare = cacheReplays(async (size, training) => {
    const plan = recorded(size, training);
    return { replay: await session.prepare(plan, size), draws: plan.draws };
  });

  let held: Dataset | undefined;
  const setExamples = (data: Dataset): void => {
    if (held === data) return;
    loadExamples(session, data, kind, outputs);
    held = data;
  };

  const scoreTrail = async (data: Dataset, order: Uint32Array): Promise<Score> => {
    const { labels, size } = gather(data, order);
    return score(kind, await session.readTrail(), labels, size);
  };

  return {
    load: (weights) => {
      whole?.set(weights);
      session.load(whole ?? weights);
    },
    train: async (request) => {
      switchBackend(tf, eager ?? name);
      setExamples(request.data);
      const last = await runEpochs(session, prepare, request, (wanted) =>
        drawsOf(tf, dropouts, wanted, request.stream),
      );
      return scoreTrail(request.data, last);
    },
    evaluate: async (data, batchSize, pause) => {
      setExamples(data);
      const order = await runAll(session, prepare, data, batchSize);
      await pause();
      return scoreTrail(data, order);
    },
    read: async () => (await session.readWeights()).subarray(0, travelling),
    dispose: () => {
      session.dispose();
    },
  };
};
