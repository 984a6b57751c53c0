/**
 * @module DP-FTRL with the square-root factorisation (Fichtenberger, Henzinger, Upadhyay 2023;
 * Kairouz et al. 2021): A = C C for the matrix A of prefix sums, C a Toeplitz matrix with the
 * coefficients c_k below. The noise of round t is row t of C^-1 times independent Gaussians, so the
 * noise of a prefix sum grows with log t instead of t. The correlated noise cancels only if the one
 * who adds it is in every round: with sampled cohorts and no trusted party there is no such one.
 */
import { FloeError } from '../errors.ts';

/** c_0 = 1, c_k = c_(k-1) (2k - 1) / (2k): those of 1 / sqrt(1 - x). */
export const squareRootCoefficients = (rounds: number): Float64Array => {
  const c = new Float64Array(rounds);
  for (let k = 0; k < rounds; k += 1) c[k] = k === 0 ? 1 : (c[k - 1]! * (2 * k - 1)) / (2 * k);
  return c;
};

/** 1, -1/2, -1/8, -1/16, -5/128: those of sqrt(1 - x). */
export const inverseCoefficients = (rounds: number): Float64Array => {
  const c = new Float64Array(rounds);
  for (let k = 0; k < rounds; k += 1) c[k] = k === 0 ? 1 : (c[k - 1]! * (2 * k - 3)) / (2 * k);
  return c;
};

/** Which rounds one participant may be in. */
export interface Participation {
  readonly rounds: number;
  /** Least distance of two rounds that one participant is in; 1: it may be in every round. */
  readonly separation: number;
  /** Most rounds that it is in; as many as fit unless given. */
  readonly most?: number;
}

const requireWhole = (name: string, value: number, low: number, high: number): void => {
  if (!Number.isSafeInteger(value) || value < low || value > high)
    throw new FloeError('privacy_invalid', `${name}: expected ${low} to ${high}, got ${value}`);
};

/** Bands of C: with fewer than all, sums of `bands` rounds or more keep some independent noise. */
const checked = ({ rounds, separation, most }: Participation, bands: number): number => {
  requireWhole('rounds', rounds, 1, 1_000_000);
  requireWhole('separation', separation, 1, rounds);
  requireWhole('bands', bands, 1, rounds);
  const fitting = Math.ceil(rounds / separation);
  requireWhole('most', most ?? fitting, 1, rounds);
  return Math.min(most ?? fitting, fitting);
};

/**
 * L2 sensitivity of C x when one participant's contributions, each of norm at most 1, are replaced
 * by zero. The coefficients are positive and fall, so the worst pattern is 0, b, 2 b, ... for
 * participations at least b apart (Kalinin and Lampert 2024, theorem 2).
 *
 * @param bands coefficients of C that are kept, all unless given
 * @throws FloeError `privacy_invalid`
 */
export const ftrlSensitivity = (participation: Participation, bands?: number): number => {
  const { rounds, separation } = participation;
  const kept = bands ?? rounds;
  const most = checked(participation, kept);
  const c = squareRootCoefficients(kept);
  let square = 0;
  for (let t = 0; t < rounds; t += 1) {
    let row = 0;
    for (let j = 0; j < most && j * separation <= t; j += 1) row += c[t - j * separation] ?? 0;
    square += row * row;
  }
  return Math.sqrt(square);
};

/**
 * The multiplier of the one Gaussian mechanism that a run with this noise is: the whole matrix is
 * released once, with noise of deviation `noiseMultiplier` in each independent Gaussian. Its
 * epsilon: `epsilonOfGaussian`.
 *
 * @param restarts times that all streams began anew, because dropouts left fewer honest streams
 *   without a gap than the noise was calibrated for; each stretch is a mechanism of its own
 */
export const ftrlMultiplier = (
  participation: Participation,
  noiseMultiplier: number,
  restarts = 0,
): number => {
  requireWhole('restarts', restarts, 0, participation.rounds - 1);
  // No stretch is longer than the run, so its sensitivity is at most that of the run.
  return noiseMultiplier / (ftrlSensitivity(participation) * Math.sqrt(restarts + 1));
};

/** Deviation of the noise in the sum of the first `rounds` rounds: that of the last row of C. */
export const prefixNoise = (rounds: number, noiseMultiplier: number): number =>
  noiseMultiplier * Math.hypot(...squareRootCoefficients(rounds));

/**
 * The noise of one round.
 *
 * @param draws independent standard draws of the rounds so far, the newest last
 */
export const correlatedNoise = (draws: readonly number[]): number => {
  const c = inverseCoefficients(draws.length);
  return draws.reduce((sum, z, i) => sum + z * c[draws.length - 1 - i]!, 0);
};

/**
 * Refuses correlated noise where a participant may miss rounds by design.
 *
 * @param cohort participants of a round @param participants of the run
 * @throws FloeError `privacy_invalid`
 */
export const requireFullParticipation = (cohort: number, participants: number): void => {
  if (cohort === participants) return;
  throw new FloeError(
    'privacy_invalid',
    `DP-FTRL needs every participant in every round: the cohort of ${cohort} is drawn from ${participants}, so nobody could add the noise that cancels`,
    { cohort, participants },
  );
};
