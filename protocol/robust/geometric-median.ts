/**
 * @module RFA (Pillutla, Kakade, Harchaoui 2022, algorithm 2): the geometric median by the smoothed
 * Weiszfeld iteration, which begins at the model of the round, so at the zero update.
 */
import { blend, type Combination } from './combine.ts';
import { squaredDistance } from './distances.ts';

export interface GeometricMedianOptions {
  /** nu, in units of the vectors: no distance counts as less. Default 0.1. */
  readonly smoothing?: number;
  /** T, 1 to 100. Default 8. */
  readonly iterations?: number;
}

/** Vectors that all equal the point divide by this. */
const LEAST = 1e-12;

/** The geometric median as weights of the vectors; they sum to 1. */
export const geometricMedian = (
  vectors: readonly Float32Array[],
  { smoothing = 0.1, iterations = 8 }: GeometricMedianOptions = {},
): Combination => {
  const least = Math.max(LEAST, smoothing);
  const zero = new Float32Array(vectors[0]?.length ?? 0);
  let at: Float32Array | Float64Array = zero;
  let weights: readonly number[] = [];
  for (let t = 0; t < iterations; t += 1) {
    const inverse = vectors.map(
      (vector) => 1 / Math.max(Math.sqrt(squaredDistance(vector, at)), least),
    );
    const total = inverse.reduce((a, b) => a + b, 0);
    weights = inverse.map((beta) => beta / total);
    if (t < iterations - 1) at = blend(vectors, zero, 0, weights);
  }
  return { type: 'weights', centre: 0, of: weights };
};
