/**
 * @module DP-FTRL with the square-root factorisation over real Gaussians (Fichtenberger, Henzinger,
 * Upadhyay 2023; Kairouz et al. 2021): A = C C for the matrix A of prefix sums, C a Toeplitz matrix
 * with the coefficients c_k below. For other programs, and the limit of the integer mechanism of
 * runs, see correlated.ts.
 */
import { FloeError } from '../errors.ts';

/** c_0 = 1, c_k = c_(k-1) (2k - 1) / (2k): those of 1 / sqrt(1 - x). */
export const squareRootCoefficients = (rounds: number): Float64Array => {
  const c = new Float64Array(rounds);
  for (let k = 0; k < rounds; k += 1) c[k] = k === 0 ? 1 : (c[k - 1]! * (2 * k - 1)) / (2 * k);
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

/** The participations of the worst pattern. @throws FloeError `privacy_invalid` */
const checked = ({ rounds, separation, most }: Participation): number => {
  requireWhole('rounds', rounds, 1, 1_000_000);
  requireWhole('separation', separation, 1, rounds);
  const fitting = Math.ceil(rounds / separation);
  requireWhole('most', most ?? fitting, 1, rounds);
  return Math.min(most ?? fitting, fitting);
};

/**
 * L2 sensitivity of C x when one participant's contributions, each of norm at most 1, are replaced
 * by zero. The coefficients are positive and fall, so the worst pattern is 0, b, 2 b, ... for
 * participations at least b apart (Kalinin and Lampert 2024, theorem 2).
 *
 * @throws FloeError `privacy_invalid`
 */
export const ftrlSensitivity = (participation: Participation): number => {
  const { rounds, separation } = participation;
  const most = checked(participation);
  const c = squareRootCoefficients(rounds);
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
 */
export const ftrlMultiplier = (participation: Participation, noiseMultiplier: number): number =>
  noiseMultiplier / ftrlSensitivity(participation);
