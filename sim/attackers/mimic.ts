/**
 * @module The warm-up of the mimic attack (Karimireddy, He and Jaggi 2022, "Byzantine-Robust
 * Learning on Heterogeneous Datasets via Bucketing", appendix on the attacks): the attackers look
 * for the honest participant whose copies shift the mean most. z is the direction in which honest
 * updates vary most, the first eigenvector of the sum over rounds of
 * sum_i (x_i - mean)(x_i - mean)^T, found by Oja's method; they copy
 * argmax_i |z . sum over rounds of x_i|.
 *
 * The authors warm up during the run. Here the attackers rehearse these rounds before their first
 * update, from the run's first model over the mean of the honest updates. So the choice depends
 * neither on cohorts nor on threads, and a run that resumes makes it again.
 */
import type { Trainer, TrainRequest } from '../../client/trainer.ts';
import { normal } from '../../client/data/sampling.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import { changeOf, meanOf } from './vectors.ts';

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
};

/** In place; a zero vector stays. @returns its L2 norm before */
const normalise = (vector: Float64Array): number => {
  const norm = Math.sqrt(dot(vector, vector));
  if (norm > 0) for (let i = 0; i < vector.length; i += 1) vector[i]! /= norm;
  return norm;
};

/** sum_i (x_i - mean) ((x_i - mean) . z): the scatter of the updates times z. */
const scatterTimes = (updates: readonly ArrayLike<number>[], z: Float64Array): Float64Array => {
  const mean = meanOf(updates);
  const product = new Float64Array(z.length);
  for (const update of updates) {
    const along = dot(update, z) - dot(mean, z);
    for (let i = 0; i < z.length; i += 1) product[i]! += along * (update[i]! - mean[i]!);
  }
  return product;
};

/** One pass over the rounds of honest updates, which are vectors of one length. */
export interface Choice {
  /** @param updates of the same participants, in the same order, in each call */
  observe(updates: readonly ArrayLike<number>[]): void;
  /** The direction, of length 1. */
  readonly direction: Float64Array;
  /** Index of the participant to copy; of equals the first. 0 before the first round. */
  best(): number;
}

/** @param seed 32 bytes: the direction before the first round */
export const createChoice = (dimension: number, seed: Uint8Array): Choice => {
  const random = cipherStream(deriveSeed(seed, 'direction'));
  const z = Float64Array.from({ length: dimension }, () => normal(random));
  normalise(z);
  const sums: Float64Array[] = [];
  let t = 0;
  return {
    observe: (updates) => {
      for (const [i, update] of updates.entries()) {
        const sum = (sums[i] ??= new Float64Array(dimension));
        for (let j = 0; j < dimension; j += 1) sum[j]! += update[j]!;
      }
      const step = scatterTimes(updates, z);
      // Of length 1: otherwise the size of the updates would set how far z moves.
      if (normalise(step) > 0) {
        for (let i = 0; i < dimension; i += 1) z[i] = (t * z[i]! + step[i]!) / (t + 1);
        normalise(z);
      }
      t += 1;
    },
    direction: z,
    best: () => {
      const shifts = sums.map((sum) => Math.abs(dot(z, sum)));
      return Math.max(0, shifts.indexOf(Math.max(...shifts)));
    },
  };
};

/** What the attackers know of the run before its first round. */
export interface RehearsalOf {
  /** The first model of the run, flat. */
  readonly firstModel: () => Float32Array;
  /** What the participants of a round are asked for. */
  readonly requestOf: (round: number) => Omit<TrainRequest, 'weights' | 'seed'>;
}

/**
 * Rehearses the first rounds with honest trainers.
 *
 * @param trainers of the honest participants that are considered, at least one
 * @returns index of the one to copy
 */
export const rehearse = async (
  { firstModel, requestOf }: RehearsalOf,
  trainers: readonly Trainer[],
  rounds: number,
  seed: Uint8Array,
): Promise<number> => {
  let weights = firstModel();
  const choice = createChoice(weights.length, seed);
  for (let round = 1; round <= rounds; round += 1) {
    const updates: Float32Array[] = [];
    for (const [i, trainer] of trainers.entries()) {
      const own = { ...requestOf(round), weights, seed: deriveSeed(seed, 'rehearsal', round, i) };
      updates.push(changeOf(weights, (await trainer.train(own)).weights));
    }
    choice.observe(updates);
    const mean = meanOf(updates);
    weights = weights.map((weight, i) => weight + mean[i]!);
  }
  return choice.best();
};
