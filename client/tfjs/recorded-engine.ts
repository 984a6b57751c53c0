/**
 * @module Training by recorded steps on a GPU: a step is traced once for each size of batch, then a round is a list of
 * steps on the device, with one read-back at its end.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, elementCount } from '../../protocol/model/manifest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { RandomStream } from '../random.ts';
import { planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import type { GpuDevice } from '../recorded/webgpu/device.ts';
import type { Replay } from '../recorded/webgpu/replay.ts';
import { type Step, createSession } from '../recorded/webgpu/session.ts';
import { type Backend, switchBackend } from './backends.ts';
import { oneHotOf } from './batch-loss.ts';
import { type Engine, gather } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { type OutputKind, type Score, score } from './losses.ts';

/** Steps between two waits for the device: the event loop has its turn there. */
const STRETCH = 128;

/** Sizes of batches whose buffers stay on the device. */
const MOST_REPLAYS = 8;

/** A replay, with the random numbers that each of its steps draws: of which dropout layer, and how many. */
interface Prepared {
  readonly replay: Replay;
  readonly draws: readonly { readonly layer: number; readonly size: number }[];
}

/** The batches of one pass: whole ones, then what is left. */
const batches = (total: number, size: number): { readonly at: number; readonly size: number }[] =>
  Array.from({ length: Math.ceil(total / size) }, (_, i) => ({
    at: i * size,
    size: Math.min(size, total - i * size),
  }));

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
    weights: manifest.tensors.map(({ shape }) => elementCount(shape)),
    state: [],
    outputs,
  });
  const prepared = new Map<string, Promise<Prepared>>();
  const makeReplay = async (size: number, training: boolean): Promise<Prepared> => {
    const plan = recorded(size, training);
    return { replay: await session.prepare(plan, size), draws: plan.draws };
  };
  const prepare = async (size: number, training: boolean): Promise<Prepared> => {
    const key = `${size} ${String(training)}`;
    const known = prepared.get(key);
    const made = known ?? makeReplay(size, training);
    // The last used stand at the end; those of sizes long not seen give their memory back.
    prepared.delete(key);
    prepared.set(key, made);
    for (const [oldest, replaced] of prepared) {
      if (prepared.size <= MOST_REPLAYS) break;
      prepared.delete(oldest);
      // oxlint-disable-next-line no-await-in-loop
      const { replay } = await replaced;
      replay.dispose();
    }
    try {
      return await made;
    } catch (thrown) {
      prepared.delete(key);
      throw thrown;
    }
  };

  let held: Dataset | undefined;
  const setExamples = (data: Dataset): void => {
    if (held === data) return;
    const whole = gather(
      data,
      Uint32Array.from({ length: data.size }, (_, i) => i),
    );
    const targets =
      kind === 'values'
        ? Float32Array.from(whole.labels)
        : oneHotOf(whole.labels, data.size, outputs);
    session.setExamples({ features: whole.features, targets, size: data.size });
    held = data;
  };

  /** The numbers that tfjs would draw in this step. */
  const drawsOf = (wanted: Prepared['draws'], stream: RandomStream): readonly Float32Array[] => {
    // tfjs takes 0 for no seed. Each layer draws a seed, whether it is used or not.
    const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
    return wanted.map(({ layer, size }) =>
      tf.tidy(() =>
        tf.randomUniform([size], 0, 1, 'float32', seeds[layer] ?? 1).dataSync<'float32'>(),
      ),
    );
  };

  const scoreTrail = async (data: Dataset, order: Uint32Array): Promise<Score> => {
    const { labels, size } = gather(data, order);
    return score(kind, await session.readTrail(), labels, size);
  };

  return {
    load: (weights) => {
      session.load(weights);
    },
    train: async ({ data, epochs, batchSize, learningRate, order, stream, pause }) => {
      switchBackend(tf, eager ?? name);
      setExamples(data);
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
            draws: drawsOf(own.draws, stream),
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
      return scoreTrail(data, last);
    },
    evaluate: async (data, batchSize, pause) => {
      setExamples(data);
      const order = Uint32Array.from({ length: data.size }, (_, i) => i);
      session.setOrder(order);
      for (const { at, size } of batches(data.size, batchSize)) {
        // oxlint-disable-next-line no-await-in-loop
        const { replay } = await prepare(size, false);
        session.run(replay, [{ start: at, trail: at, learningRate: 0, draws: [] }]);
      }
      await session.finished();
      await pause();
      return scoreTrail(data, order);
    },
    read: async () => session.readWeights(),
    dispose: () => {
      session.dispose();
    },
  };
};
