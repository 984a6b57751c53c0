/**
 * @module The Skellam mechanism of a round: what each segment of a masked vector can change, how
 * much noise the smallest honest set of survivors adds to it, and what that guarantees.
 *
 * Neighbours differ in one participant's update, which is replaced by zero; that it took part is
 * public. The sum is released modulo 2^b, which is computed from the sum and reveals no more.
 */
import { FloeError } from '../errors.ts';
import { composeRdp, epsilonOfRdp, skellamRdp, type RdpCurve } from './accounting/rdp.ts';
import type { RdpGuarantee } from './accounting/rdp.ts';
import { bisect } from './accounting/special.ts';
import { integerSensitivity, roundedNorm, type Sensitivity } from './sensitivity.ts';

/** One vector of a sum, in units of the lattice. */
export interface NoisySegment extends Sensitivity {
  /** Central variance of the noise that the smallest honest set adds to one coordinate. */
  readonly variance: number;
}

/** One vector before its noise is known. */
export interface SegmentLattice {
  /** Norm of a clipped vector before rounding, in units of the lattice. */
  readonly norm: number;
  /** Coordinates, padding included. */
  readonly dimension: number;
  /** An integer already: nothing is rounded. */
  readonly whole?: true;
  /** Of the noise budget; the others have equal parts of the rest. */
  readonly share?: number;
}

export const sensitivityOf = ({ norm, dimension, whole }: SegmentLattice): Sensitivity =>
  integerSensitivity(whole === true ? norm : roundedNorm(norm, dimension), dimension);

/**
 * The noise of a round with a multiplier z: a released vector of sensitivity D and share f of the
 * budget gets the variance (z D)^2 / f, and the shares are 1 in all, so that together they are one
 * mechanism of multiplier z. Of m vectors without a share of their own, each has 1/m of what is
 * left.
 */
export const noiseOf = (
  segments: readonly SegmentLattice[],
  noiseMultiplier: number,
): readonly NoisySegment[] => {
  const fixed = segments.filter(({ share }) => share !== undefined);
  const left = fixed.reduce((rest, { share = 0 }) => rest - share, 1);
  const inverse = (segments.length - fixed.length) / left;
  return segments.map((segment) => {
    const sensitivity = sensitivityOf(segment);
    const deviation = noiseMultiplier * sensitivity.l2;
    const { share } = segment;
    const times = share === undefined ? inverse : 1 / share;
    return { ...sensitivity, variance: times * deviation * deviation };
  });
};

/** Renyi divergences of `rounds` rounds with this noise. */
export const curveOfNoise = (noise: readonly NoisySegment[], rounds: number): RdpCurve =>
  composeRdp(noise.map((segment) => skellamRdp({ ...segment, steps: rounds })));

/** What a participant of `rounds` rounds is guaranteed. */
export const guaranteeOf = (
  noise: readonly NoisySegment[],
  rounds: number,
  delta: number,
): RdpGuarantee => epsilonOfRdp(curveOfNoise(noise, rounds), delta);

export interface Target {
  readonly epsilon: number;
  readonly delta: number;
  /** Rounds that one participant is in, at most. */
  readonly participations: number;
}

const MULTIPLIERS = [1e-3, 1e6] as const;

/**
 * The least multiplier that keeps a target.
 *
 * @param epsilonOf what a multiplier keeps at the target's delta; independent rounds unless given
 * @throws FloeError `privacy_invalid` for a target that no multiplier up to 1e6 keeps
 */
export const calibrate = (
  segments: readonly SegmentLattice[],
  { epsilon, delta, participations }: Target,
  epsilonOf = (multiplier: number): number =>
    guaranteeOf(noiseOf(segments, multiplier), participations, delta).epsilon,
): number => {
  if (!(epsilon > 0))
    throw new FloeError('privacy_invalid', `epsilon: expected above 0, got ${epsilon}`);
  const misses = (multiplier: number): boolean => epsilonOf(multiplier) > epsilon;
  const [low, high] = MULTIPLIERS;
  if (misses(high))
    throw new FloeError(
      'privacy_invalid',
      `no noise keeps epsilon ${epsilon} at delta ${delta} over ${participations} rounds`,
    );
  return misses(low) ? bisect(low, high, misses) : low;
};

/**
 * Members of a cohort that may add no noise. The small number takes back the rounding of 1 - 0.9.
 */
export const corruptMembers = (cohort: number, honest: number): number =>
  Math.ceil((1 - honest) * cohort - 1e-9);

/**
 * Honest survivors of the smallest sum that is opened: all corrupt members of the cohort may be
 * among its survivors.
 *
 * @param honest fraction of a cohort that adds its noise, above 0, at most 1
 * @throws FloeError `privacy_invalid` where nobody is left
 */
export const honestSurvivors = (cohort: number, minimum: number, honest: number): number => {
  const corrupt = corruptMembers(cohort, honest);
  if (minimum - corrupt >= 1) return minimum - corrupt;
  throw new FloeError(
    'privacy_invalid',
    `with ${corrupt} of ${cohort} members that may add no noise, a sum of ${minimum} may have no honest noise; raise the minimum, in groups their size, or the honest fraction`,
    { cohort, minimum, corrupt },
  );
};

/**
 * Bound on the probability that one coordinate of a noisy sum leaves [-2^(b-1), 2^(b-1)), by
 * Chernoff: P(X >= x) <= exp(sqrt(x^2 + mu^2) - mu - x asinh(x / mu)) for Skellam noise of variance
 * mu. Noise of several such variables, each times an integer of at most `step`, has the same bound
 * in units of `step`: (cosh(s t) - 1) / s^2 grows with s.
 *
 * @param largest absolute value of the sum without noise
 * @param variance of the noise of all survivors
 */
export const wrapProbability = (
  modulusBits: number,
  largest: number,
  variance: number,
  coordinates: number,
  step = 1,
): number => {
  const room = (2 ** (modulusBits - 1) - largest) / step;
  if (room <= 0) return 1;
  const mu = variance / (step * step);
  const exponent =
    // sqrt(x^2 + mu^2) - mu, without the cancellation.
    (room * room) / (Math.hypot(room, mu) + mu) - room * Math.asinh(room / mu);
  return Math.min(1, 2 * coordinates * Math.exp(exponent));
};
