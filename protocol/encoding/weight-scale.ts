/**
 * @module The scale of the weighted share, which follows the cohort. An update travels times w / S,
 * w = min(examples, S), and everybody rounds with one step. With S far above what sites have, the
 * update is lost in the rounding: three sites of 60 examples at S = 1000 had a relative error of
 * 0.55. So S comes from the sizes that the last commit announced, as their mean m, under masks.
 *
 *   S = min(cap, ceil(m * min(n, max(2, f))))
 *
 * S = n m clips nobody, because no site has more than all together. f is the largest factor at
 * which the expected rounding error of n sites of size m stays below 1 % of the clip norm, where
 * the ring leaves less than that; then who has more than f times the mean counts as f means.
 */
import { CLAMP_DEVIATIONS, laneOf, type EncodingSpec } from './layout.ts';

/** m of the first rounds, in which nobody has announced anything yet. */
export const FIRST_MEAN_EXAMPLES = 5;
/** Expected rounding error of the mean in units of the clip norm, where it bounds the scale. */
const ERROR = 0.01;
/** However small the ring is, a site twice the mean counts in full. */
const LEAST_FACTOR = 2;

/** Expected error of the mean of n full rotated shares, in units of the clip norm. */
const errorOfFullShares = (spec: EncodingSpec, n: number): number =>
  CLAMP_DEVIATIONS / (laneOf(spec, n).level * Math.sqrt(6 * n));

/**
 * S of an attempt.
 *
 * @param n size of its cohort
 * @param mean m: ceil(sum of the capped counts / survivors) of the last commit, an integer >= 1
 * @returns an integer, 1 to the cap
 */
export const weightScale = (spec: EncodingSpec, n: number, mean: number): number => {
  const factor = Math.max(LEAST_FACTOR, ERROR / errorOfFullShares(spec, n));
  return Math.min(spec.weightCap, Math.ceil(mean * Math.min(n, factor)));
};

/** The encoding of one attempt: the specification's with the scale of the share. */
export const encodingOf = (spec: EncodingSpec, n: number, mean: number): EncodingSpec => ({
  ...spec,
  weightScale: weightScale(spec, n, mean),
});

/**
 * Expected error of the mean that rounding makes, in units of the clip norm: for n sites of equal
 * size, once the scale follows it. An update that is shorter than the clip norm has a relative
 * error that is larger by as much.
 *
 * @param dimension of the update; counts where it is not rotated
 * @param examples of each site
 */
export const expectedError = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  examples: number,
): number => {
  const counted = Math.min(examples, spec.weightCap);
  const scale = weightScale(spec, n, counted);
  const spread = spec.rotation ? 1 : Math.sqrt(dimension) / CLAMP_DEVIATIONS;
  return (errorOfFullShares(spec, n) * spread * scale) / Math.min(counted, scale);
};

/** In words, for the first lines of a participant and for the report of a simulation. */
export const describeError = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  examples: number,
): string => {
  const error = expectedError(spec, n, dimension, examples);
  const { modulusBits } = laneOf(spec, n);
  return (
    `expected relative rounding error of the mean: ${error.toPrecision(2)} at the clip norm, ` +
    `${(4 * error).toPrecision(2)} at a quarter of it ` +
    `(${n} sites of ${Math.round(examples)} examples, ${modulusBits} bits a coordinate)`
  );
};
