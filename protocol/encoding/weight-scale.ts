/**
 * @module The scale of the weighted share, which follows the cohort. An update travels times w / S,
 * w = min(examples, S), and everybody rounds with one step. With S far above what sites have, the
 * update is lost in the rounding: three sites of 60 examples at S = 1000 had a relative error of
 * 0.55. So S comes from the sizes that the last commit announced, as their mean m, under masks.
 *
 *   S = min(cap, ceil(m * min(n, max(2, f))))
 *
 * S = n m clips nobody, because no site has more than all together. f is the largest factor at
 * which the expected rounding error of n sites of size m stays below 1 % of the clip norm. A lane
 * gets the fewest bits at which that f clips nobody, as far as the ring has room: ten sites of 5
 * examples beside one of 1000 need 14 bits, ten sites of 600 under a cap of 1000 need 12. Where the
 * ring leaves less, who has more than f times the mean counts as f means. Small models have all
 * bits of the ring: their uploads are shorter than the records beside them.
 */
import { plural } from '../plural.ts';
import { compressionError, travelling, travellingNorm } from './compression.ts';
import { CLAMP_DEVIATIONS, laneOf, RINGS, scaleOf, type EncodingSpec } from './layout.ts';

/** m of the first rounds, in which nobody has announced anything yet. */
export const FIRST_MEAN_EXAMPLES = 5;
/** Expected rounding error of the mean in units of the clip norm, where it bounds the scale. */
const ERROR = 0.01;
/** However small the ring is, a site twice the mean counts in full. */
const LEAST_FACTOR = 2;
/** Coordinates of a small model, at most: two bytes each are 32 KiB. */
const SMALL = 2 ** 14;

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

/** The spec with the bits of a lane for this attempt; those of a given q stay. */
const withLane = (spec: EncodingSpec, n: number, mean: number, dimension: number): EncodingSpec => {
  if (spec.bits !== undefined) return spec;
  const { modulusBits: most } = RINGS[spec.ring];
  if (travelling(spec, dimension) <= SMALL) return { ...spec, modulusBits: most };
  const needed = Math.min(n, spec.weightCap / mean);
  let { modulusBits } = laneOf(spec, n);
  while (modulusBits < most && needed * errorOfFullShares({ ...spec, modulusBits }, n) > ERROR)
    modulusBits += 1;
  return { ...spec, modulusBits };
};

/**
 * The encoding of one attempt: the specification's with the bits of its lanes and the scale of the
 * share.
 *
 * @param n size of its cohort
 * @param mean as of {@link weightScale}
 * @param dimension of the update
 */
export const encodingOf = (
  spec: EncodingSpec,
  n: number,
  mean: number,
  dimension: number,
): EncodingSpec => {
  const wide = withLane(spec, n, mean, dimension);
  return { ...wide, weightScale: weightScale(wide, n, mean) };
};

/**
 * Expected error of the mean that rounding makes, in units of the clip norm: for n sites of equal
 * size, once the scale follows it. An update that is shorter than the clip norm has a relative
 * error that is larger by as much. What compression leaves out is not in it: see
 * {@link compressionError}.
 *
 * @param dimension of the update
 * @param examples of each site
 */
export const expectedError = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  examples: number,
): number => {
  const counted = Math.min(examples, spec.weightCap);
  const used = encodingOf(spec, n, counted, dimension);
  const scale = scaleOf(used);
  const sent = travelling(spec, dimension);
  const spread = spec.rotation ? 1 : Math.sqrt(sent) / CLAMP_DEVIATIONS;
  const norm = travellingNorm(spec, dimension);
  return (errorOfFullShares(used, n) * spread * norm * scale) / Math.min(counted, scale);
};

const compressionText = (spec: EncodingSpec, dimension: number): string => {
  const { compression } = spec;
  if (compression === undefined) return '';
  const error = compressionError(spec, dimension).toPrecision(2);
  const sent = travelling(spec, dimension);
  return (
    `; ${compression.type}: ${sent} ${compression.type === 'random-k' ? 'of' : 'numbers for'} ${dimension} coordinates travel in a round, relative error ` +
    `of its mean ${error}, ${compression.mode === 'unbiased' ? '0 on average over rounds' : 'fed back by each participant'}`
  );
};

/** In words, for the first lines of a participant and for the report of a simulation. */
export const describeError = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  examples: number,
): string => {
  const error = expectedError(spec, n, dimension, examples);
  const used = encodingOf(spec, n, Math.min(examples, spec.weightCap), dimension);
  const { modulusBits } = laneOf(used, n);
  return (
    `expected relative rounding error of the mean: ${error.toPrecision(2)} at the clip norm, ` +
    `${(4 * error).toPrecision(2)} at a quarter of it ` +
    `(${n} sites of ${Math.round(examples)} examples on average, ${modulusBits} bits a coordinate; ` +
    `a site counts for at most ${plural(scaleOf(used), 'example')})${compressionText(spec, dimension)}`
  );
};
