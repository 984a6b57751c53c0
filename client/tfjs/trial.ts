/**
 * @module Runs one training step when a trainer is made: a model that cannot train is refused
 * before the first round, and kernels of a slower backend are named.
 */
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import { type Dataset, subset } from '../data/dataset.ts';
import { PLAIN_SGD } from '../optimizer.ts';
import { randomStream } from '../random.ts';
import type { Tf } from './backends.ts';
import { takeBorrowed } from './kernels/borrow.ts';
import type { Engine } from './engine.ts';

/** An engine, and its description for the first lines of output. */
export interface Chosen {
  readonly engine: Engine;
  readonly remark: string;
}

export interface Trial {
  readonly tf: Tf;
  readonly manifest: Manifest;
  readonly data: Dataset;
}

const reasonOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? 'unknown reason';

/** One step on one example, from weights of zero. Gives the kernels that were borrowed. */
const step = async (engine: Engine, { tf, manifest, data }: Trial): Promise<readonly string[]> => {
  takeBorrowed(tf);
  engine.load(new Float32Array(parameterCount(manifest)));
  await engine.train({
    data: subset(data, [0]),
    epochs: 1,
    batchSize: 1,
    learningRate: 0,
    optimizer: PLAIN_SGD,
    order: () => Uint32Array.of(0),
    stream: randomStream(new Uint8Array(32), 'trial'),
    pause: async () => Promise.resolve(),
  });
  return takeBorrowed(tf);
};

const named = (borrowed: readonly string[]): string =>
  borrowed.length === 0 ? '' : `; ${borrowed.join(', ')} in plain JavaScript, which is slow`;

/**
 * Tries the chosen engine, and where it fails the one that runs tfjs step by step.
 * @throws FloeError `model_malformed` when neither can train the model
 */
export const tryEngine = async (
  chosen: Chosen,
  eager: () => Engine,
  trial: Trial,
): Promise<Chosen> => {
  try {
    const borrowed = await step(chosen.engine, trial);
    return { engine: chosen.engine, remark: `${chosen.remark}${named(borrowed)}` };
  } catch (thrown) {
    chosen.engine.dispose();
    const first = reasonOf(thrown);
    const engine = eager();
    try {
      const borrowed = await step(engine, trial);
      const remark = `; ${first}, so that tfjs runs each step${named(borrowed)}`;
      return { engine, remark };
    } catch (second) {
      engine.dispose();
      throw new FloeError(
        'model_malformed',
        `the model cannot be trained here: ${reasonOf(second)}`,
        {},
        { cause: second },
      );
    }
  }
};
