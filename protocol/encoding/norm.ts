/**
 * @module How long the mean of a cohort can be. A mean of vectors of norm at most C, weighted by
 * w_i / sum w, has norm at most C; what decodes is that mean with its rounding. Beyond that bound
 * somebody has not clipped: one liar of ten is enough to take a model over (specification, step 7).
 *
 * In steps of the quantisation, the sum of k survivors is c + e: c the sum of what was rounded, |c|
 * <= A = C * W / (S * step), S the round's weight scale, clamp included, because it only shortens;
 * of a segment without weights A = C * k / step. e is the rounding, k * N independent numbers (N
 * ring coordinates), each with two values one apart and mean 0 up to 2^-17.
 * Two bounds hold, the smaller counts:
 * - always: |c + e| <= A + k sqrt(N);
 * - with probability 1 - 2^-40 a round: |c + e| as a function of e is convex and sqrt(k)-Lipschitz,
 *   so it exceeds its expectation by t with probability at most exp(-t^2 / 2k) (Talagrand;
 *   Boucheron, Lugosi, Massart 2013, theorem 6.10), and its expectation is at most sqrt(A^2 + V) +
 *   k sqrt(N) 2^-17. V is the variance of e: f (1 - f) for a fraction f, so at most 1/4 each, and
 *   at most |x| each, which sums to sqrt(N) A.
 */
import { BLOCK_ENERGY, stepOfMean, type EncodingSpec, type SegmentLayout } from './layout.ts';

/**
 * ln 2^40: an honest round is refused with probability 2^-40 at most, and as often for its blocks.
 */
export const CONFIDENCE = 40 * Math.LN2;
/** Bias of one rounding: randomness of sixteen bits. */
const BIAS = 2 ** -17;
/** For the float operations of encoding and decoding, which lose 2^-24 a coordinate at most. */
const FLOAT_SLACK = 1 + 1e-6;

/** The noise of one coordinate of a sum. */
export interface CoordinateNoise {
  /** 0 without noise. */
  readonly variance: number;
  /** The largest change by one of the unit jumps of the draws. */
  readonly step: number;
}

export const NO_NOISE: CoordinateNoise = { variance: 0, step: 1 };

/**
 * Norm of Skellam noise in N coordinates, exceeded as rarely: its expectation is at most the root
 * of N times the variance, and each of the unit jumps that the noise is made of changes the norm by
 * 1 at most (Bernstein); those of noise that moves by larger steps change it by a step.
 */
export const noiseLimit = (
  coordinates: number,
  { variance, step }: CoordinateNoise,
  confidence: number,
): number => {
  const jump = (step * confidence) / 3;
  return variance === 0
    ? 0
    : Math.sqrt(coordinates * variance) + jump + Math.sqrt(jump ** 2 + 2 * confidence * variance);
};

/**
 * The two bounds for N ring coordinates of vectors of norm at most `clip`.
 *
 * @param noise in a coordinate of the sum
 */
const normLimit = (
  clip: number,
  coordinates: number,
  survivors: number,
  toMean: number,
  confidence: number,
  noise: CoordinateNoise,
): number => {
  const clipped = clip / toMean;
  const root = Math.sqrt(coordinates);
  const variance = Math.min((survivors * coordinates) / 4, root * clipped);
  const certain = clipped + survivors * root;
  const likely =
    Math.sqrt(clipped * clipped + variance) +
    survivors * root * BIAS +
    Math.sqrt(2 * survivors * confidence);
  const noisy = noiseLimit(coordinates, noise, confidence);
  return (Math.min(certain, likely) + noisy) * toMean * FLOAT_SLACK;
};

/**
 * The largest L2 norm that the decoded mean of honest updates can have, in units of the update; at
 * least C.
 *
 * @param survivors k, how many encodings are in the sum; 1 to 4096
 * @param weight W, the sum of what they count for; at least k
 * @param noise in a coordinate of the sum, in steps of the quantisation; none unless given
 * @example meanNormLimit(spec, segment, 10, 6000); // 1.0002 C at 8 bits, full weights and 2e5
 * parameters
 */
export const meanNormLimit = (
  spec: EncodingSpec,
  segment: SegmentLayout,
  survivors: number,
  weight: number,
  noise = NO_NOISE,
): number => {
  const toMean = stepOfMean(spec, segment, { survivors, weight });
  return normLimit(segment.clipNorm, segment.padded, survivors, toMean, CONFIDENCE, noise);
};

/** The same for one block of the mean: the encoding clips the energy of each rotation block too. */
export const blockNormLimit = (
  spec: EncodingSpec,
  segment: SegmentLayout,
  survivors: number,
  weight: number,
  noise = NO_NOISE,
): number => {
  const { blocks, blockSize, clipNorm } = segment;
  const toMean = stepOfMean(spec, segment, { survivors, weight });
  const share = spec.rotation ? Math.min(1, Math.sqrt(BLOCK_ENERGY / blocks)) : 1;
  const confidence = CONFIDENCE + Math.log(blocks);
  return normLimit(clipNorm * share, blockSize, survivors, toMean, confidence, noise);
};
