/**
 * @module Krum and Multi-Krum (Blanchard et al. 2017): the score of a vector is the sum of the
 * squared distances to its n - f - 2 nearest, at least one; the vector of the lowest score is
 * taken, or the mean of the lowest. Of equal scores the first counts.
 */
import type { Combination } from './combine.ts';
import { ascending, squaredDistances } from './distances.ts';

const scoresOf = (vectors: readonly Float32Array[], byzantine: number): readonly number[] => {
  const near = Math.max(1, vectors.length - byzantine - 2);
  return squaredDistances(vectors).map((row, i) => {
    const others = row.filter((_, j) => j !== i).toSorted();
    return others.subarray(0, near).reduce((sum, distance) => sum + distance, 0);
  });
};

/**
 * The mean of the `keep` vectors with the lowest scores.
 *
 * @param byzantine f, how many vectors may be false @param keep 1 is Krum
 * @example multiKrum([[.2], [.7], [1]], 1, 1) // takes .7
 */
export const multiKrum = (
  vectors: readonly Float32Array[],
  byzantine: number,
  keep: number,
): Combination => {
  const kept = new Set(ascending(scoresOf(vectors, byzantine)).slice(0, keep));
  return {
    type: 'weights',
    centre: 0,
    of: vectors.map((_, i) => (kept.has(i) ? 1 / kept.size : 0)),
  };
};
