/**
 * @module Chooses the fastest of several engines for a model: each runs some steps on the
 * participant's examples, with a learning rate of zero.
 */
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import { type Manifest, elementCount } from '../../protocol/model/manifest.ts';
import { type Dataset, subset } from '../data/dataset.ts';
import { PLAIN_SGD } from '../optimizer.ts';
import { randomStream } from '../random.ts';
import type { Backend } from './backends.ts';
import type { Engine } from './engine.ts';

/** An engine of a model, and its description. */
export interface Candidate {
  readonly engine: Engine;
  readonly manifest: Manifest;
  readonly backend: string;
}

export interface Trial {
  readonly data: Dataset;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The batch of the published experiments, and a small one: the more engines differ. */
const BATCH = 10;
const STEPS = 4;
/** Milliseconds after which an engine's speed is known well enough. */
const BUDGET_MS = 150;
const MOST_REPEATS = 30;
/**
 * A measurement is at least as long, ms: browsers round their clock to 1 ms, so that pages cannot
 * watch each other.
 */
const LEAST_MS = 10;

const steps = (engine: Engine, data: Dataset): Promise<unknown> =>
  Promise.resolve(
    engine.train({
      data,
      epochs: 1,
      batchSize: BATCH,
      learningRate: 0,
      optimizer: PLAIN_SGD,
      order: () => Uint32Array.from({ length: data.size }, (_, i) => i),
      stream: randomStream(new Uint8Array(32), 'trial'),
      pause: async () => Promise.resolve(),
    }),
  );

const firstOf = (data: Dataset, most: number): Dataset =>
  subset(
    data,
    Array.from({ length: Math.min(most, data.size) }, (_, i) => i),
  );

const loadZeros = ({ engine, manifest }: Candidate): void => {
  const size = manifest.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  engine.load(new Float32Array(size));
};

/** Samples per second in the best of some measurements. @throws the errors of the engine */
export const speedOf = async (candidate: Candidate, { data, now }: Trial): Promise<number> => {
  const part = firstOf(data, BATCH * STEPS);
  loadZeros(candidate);
  // Graphs and shaders are made at the first step.
  await steps(candidate.engine, part);
  let best = Infinity;
  let passes = 1;
  const begun = now();
  for (let i = 0; i < MOST_REPEATS && now() - begun < BUDGET_MS; i++) {
    const started = now();
    // One after the other: they are measured.
    for (let pass = 0; pass < passes; pass += 1) await steps(candidate.engine, part);
    const took = now() - started;
    if (took >= LEAST_MS) best = Math.min(best, took / passes);
    else passes *= 2;
  }
  // Passes that the clock cannot tell from nothing are called as fast as it shows.
  return (part.size * 1000) / (best === Infinity ? LEAST_MS / passes : best);
};

const perSecond = (speed: number): string =>
  `${speed.toLocaleString('en', { maximumSignificantDigits: 2 })} samples/s`;

/**
 * Makes the engine of the only backend, or one of each and keeps the fastest; the others are
 * disposed. An engine that cannot run the model is skipped, and the reason is reported.
 *
 * @param skipped backends that do not run here, with their reasons
 * @throws FloeError `trainer_failed` when none can
 */
export const fastestOf = async <T extends Candidate>(
  backends: readonly Backend[],
  skipped: readonly string[],
  make: (backend: Backend) => Promise<T>,
  trial: Trial,
): Promise<T> => {
  const [only, ...others] = backends;
  if (only === undefined) throw new FloeError('internal', 'no backend to choose from');
  if (others.length === 0 && skipped.length === 0) return make(only);
  const notes = [...skipped];
  let failed: unknown;
  let best: { readonly candidate: T; readonly name: string; readonly speed: number } | undefined;
  for (const backend of backends) {
    let candidate: T | undefined;
    try {
      // One after the other: they are measured.
      candidate = await make(backend);
      const speed = await speedOf(candidate, trial);
      const slower = best === undefined || speed > best.speed ? best : { ...backend, speed };
      if (slower !== undefined) notes.unshift(`${slower.name} (${perSecond(slower.speed)})`);
      if (best === undefined || speed > best.speed) {
        best?.candidate.engine.dispose();
        best = { candidate, name: backend.name, speed };
      } else {
        candidate.engine.dispose();
      }
    } catch (thrown) {
      candidate?.engine.dispose();
      failed = thrown;
      notes.push(`${backend.name} (${thrown instanceof Error ? thrown.message : String(thrown)})`);
    }
  }
  if (best === undefined) throw toFloeError(failed, 'trainer_failed');
  const { candidate, speed } = best;
  const why = notes.length === 0 ? '' : `; not ${notes.join(', not ')}`;
  return { ...candidate, backend: `${candidate.backend}; ${perSecond(speed)} here${why}` };
};
