/**
 * @module The gradients of a training engine against central differences of the loss that plain
 * JavaScript measures in the same training step: with the moments of batch normalisation over the
 * batch, and dropout of the same draws.
 */
import { type Backend, type BackendOptions, selectBackend } from '../../client/tfjs/backends.ts';
import { type TfjsTrainer, tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { elementCount } from '../../protocol/model/manifest.ts';
import type { SmallModel } from '../gpu-models.ts';
import { zooExamples } from './models.ts';

export interface ZooEngine {
  readonly title: string;
  readonly backend: BackendOptions;
  /** Whether the step is recorded; the line of the trainer must say so. */
  readonly recorded: boolean;
}

/** All that may train; those that this machine lacks are left out by name. */
export const ENGINES: readonly ZooEngine[] = [
  { title: 'recorded, wasm', backend: { prefer: 'wasm' }, recorded: true },
  { title: 'tfjs, wasm', backend: { prefer: 'wasm' }, recorded: false },
  { title: 'ONNX Runtime', backend: { prefer: 'onnx' }, recorded: true },
  { title: 'WebGPU', backend: { prefer: 'webgpu', softwareGpu: true }, recorded: true },
  { title: 'tfjs-node', backend: { prefer: 'tensorflow' }, recorded: false },
];

export interface OpenedEngine extends ZooEngine {
  readonly opened: Backend;
}

/** @returns the engine, or the reason why it does not run here */
export const openEngine = async (engine: ZooEngine): Promise<OpenedEngine | string> => {
  try {
    return { ...engine, opened: await selectBackend(engine.backend) };
  } catch (thrown) {
    return thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown);
  }
};

const SIZE = 6;
/** Small, as relu and max pooling have kinks; the loss is rounded to 1e-7 of itself. */
const STEP = 5e-4;
/** Differences to both sides that are further apart say that a kink lies between. */
const KINK = 2e-3;
const seed = new Uint8Array(32).fill(5);

const requestOf = (weights: Float32Array, learningRate: number) => ({
  weights,
  round: 1,
  epochs: 1,
  batchSize: SIZE,
  learningRate,
  seed,
});

/** Indices of each trainable tensor, `each` of them evenly spread. */
const probes = ({ manifest }: TfjsTrainer, each: number): readonly number[] => {
  const indices: number[] = [];
  let start = 0;
  for (const { shape, role = 'trainable' } of manifest.tensors) {
    const size = elementCount(shape);
    const count = role === 'trainable' ? Math.min(size, each) : 0;
    for (let i = 0; i < count; i += 1) indices.push(start + Math.floor(((i + 0.5) * size) / count));
    start += size;
  }
  return indices;
};

/** Central differences at some weights. */
export interface Slopes {
  readonly weights: Float32Array;
  readonly indices: readonly number[];
  readonly slopes: readonly number[];
  /** Probes that were left out because the loss has a kink there. */
  readonly kinks: number;
}

/** @param each how many weights of each tensor are probed, at most */
export const slopesOf = async (small: SmallModel, cpu: Backend, each: number): Promise<Slopes> => {
  const data = zooExamples(small, SIZE, 'gradients');
  const trainer = await tfjsTrainer({ model: small.model, data, backend: cpu, trial: false });
  const weights = initialModel({ ...trainer.manifest, seed });
  const lossAt = async (index: number, by: number): Promise<number> => {
    const moved = weights.slice();
    moved[index] = (moved[index] ?? 0) + by;
    return (await trainer.train(requestOf(moved, 0))).lossSum / SIZE;
  };
  const here = await lossAt(0, 0);
  const [indices, slopes]: [number[], number[]] = [[], []];
  let kinks = 0;
  for (const index of probes(trainer, each)) {
    const above = ((await lossAt(index, STEP)) - here) / STEP;
    const below = (here - (await lossAt(index, -STEP))) / STEP;
    if (Math.abs(above - below) > KINK) {
      kinks += 1;
      continue;
    }
    indices.push(index);
    slopes.push((above + below) / 2);
  }
  trainer.dispose();
  return { weights, indices, slopes, kinks };
};

/** Largest difference between the gradients of an engine and the slopes. */
export const gradientError = async (
  small: SmallModel,
  { opened, recorded, title }: OpenedEngine,
  { weights, indices, slopes }: Slopes,
): Promise<number> => {
  const data = zooExamples(small, SIZE, 'gradients');
  const trainer = await tfjsTrainer({
    model: small.model,
    data,
    backend: opened,
    denseFastPath: false,
    recorded,
  });
  try {
    if (recorded && !/recorded once/u.test(trainer.backend))
      throw new Error(`${title}: not recorded: ${trainer.backend}`);
    const after = await trainer.train(requestOf(weights, 1));
    return indices.reduce((most, index, k) => {
      const gradient = (weights[index] ?? NaN) - (after.weights[index] ?? NaN);
      return Math.max(most, Math.abs(gradient - (slopes[k] ?? NaN)));
    }, 0);
  } finally {
    trainer.dispose();
  }
};
