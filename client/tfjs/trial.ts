/**
 * @module One training step when a trainer is made: a model that cannot train is refused before the
 * first round, and kernels that came from a slower backend are named.
 */
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import { type Dataset, subset } from '../data/dataset.ts';
import { PLAIN_SGD } from '../optimizer.ts';
import { randomStream } from '../random.ts';
import { noteBorrowed } from './borrowed.ts';
import type { Engine } from './engine.ts';

/** An engine, and what the first lines of output say about it. */
export interface Chosen {
  readonly engine: Engine;
  readonly remark: string;
}

const reasonOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? 'unknown reason';

/** One step on one example, from weights of zero. Gives the kernels that were borrowed. */
const step = async (
  engine: Engine,
  manifest: Manifest,
  data: Dataset,
): Promise<readonly string[]> => {
  engine.load(new Float32Array(parameterCount(manifest)));
  return noteBorrowed(async () =>
    engine.train({
      data: subset(data, [0]),
      epochs: 1,
      batchSize: 1,
      learningRate: 0,
      optimizer: PLAIN_SGD,
      order: () => Uint32Array.of(0),
      stream: randomStream(new Uint8Array(32), 'trial'),
      pause: async () => Promise.resolve(),
    }),
  );
};

const named = (borrowed: readonly string[]): string =>
  borrowed.length === 0 ? '' : `; ${borrowed.join(', ')} run in plain JavaScript (slow)`;

/**
 * Tries the chosen engine, and where it fails the one that runs tfjs step by step.
 * @throws FloeError `model_malformed` when neither can train the model
 */
export const tryEngine = async (
  chosen: Chosen,
  eager: () => Engine,
  manifest: Manifest,
  data: Dataset,
): Promise<Chosen> => {
  try {
    const borrowed = await step(chosen.engine, manifest, data);
    return { engine: chosen.engine, remark: `${chosen.remark}${named(borrowed)}` };
  } catch (thrown) {
    chosen.engine.dispose();
    const first = reasonOf(thrown);
    const engine = eager();
    try {
      const borrowed = await step(engine, manifest, data);
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
