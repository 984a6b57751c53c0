/**
 * @module How far the decoded mean is from the exact weighted mean of the clipped updates.
 *
 * Rounding: each participant adds to each coordinate an independent error of mean 0 and variance f
 * (1 - f) steps^2, f the fraction being rounded: 1/6 on average over f, 1/4 at most, and at most
 * |x| / step, which sums to at most sqrt(d) * norm / step. n of them, divided by n * (mean weight /
 * weightScale). Clamp (rotation only): what lies beyond the clamp of a normal coordinate is cut
 * off. At 4.5 deviations that is sqrt(2 ((1 + a^2) Q(a) - a phi(a))) = 7.4e-4 of C. If all energy
 * were in blocks at 3 times their share (`BLOCK_ENERGY`, so 2.6 deviations fit), it is 4.1e-2; at
 * 1.4 times, 4e-3. It is a bias: in the worst case, equal updates of full norm and weight, it does
 * not average out.
 */
import {
  quantisationStep,
  ringLayout,
  scaleOf,
  type EncodingSpec,
  type SegmentLayout,
} from './layout.ts';

export interface QuantisationError {
  /** Width of one step in the weighted update. */
  readonly step: number;
  /**
   * Expected L2 error of the mean for fractions spread evenly: step * sqrt(n * padded / 6) / (n *
   * meanWeight / weightScale).
   */
  readonly expected: number;
  /**
   * Bound on the root mean square of the L2 error for any updates of norm at most C, clamp
   * included.
   */
  readonly bound: number;
}

const CLAMP_BIAS = 4.2e-2;

const worstVariance = (segment: SegmentLayout, step: number): number =>
  Math.min(segment.padded / 4, (Math.sqrt(segment.padded) * segment.clipNorm) / step);

/**
 * L2 error of the decoded mean of n updates of d coordinates, in the units of the update; under
 * compression, of what travels of it.
 *
 * @param meanWeight mean of min(examples, weightScale) over the cohort; weightScale unless told.
 * Updates that count for less are rounded with the same step, so the relative error grows as
 * weightScale / meanWeight.
 * @throws FloeError as `ringLayout`
 */
export const quantisationError = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  meanWeight: number = scaleOf(spec),
): QuantisationError => {
  const [segment] = ringLayout(spec, n, dimension).segments;
  const step = quantisationStep(spec, segment);
  const toMean = scaleOf(spec) / (meanWeight * n);
  const clamp = spec.rotation ? CLAMP_BIAS * segment.clipNorm : 0;
  return {
    step,
    expected: step * Math.sqrt((n * segment.padded) / 6) * toMean,
    bound: step * Math.sqrt(n * worstVariance(segment, step)) * toMean + clamp,
  };
};
