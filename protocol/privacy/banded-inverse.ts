/**
 * @module The banded inverse square root (Kalinin, McKenna, Upadhyay, Lampert 2025, "Back to
 * square roots"): D is
 * the lower-triangular Toeplitz matrix with the first p coefficients of sqrt(1 - x). The
 * coefficients are dyadic, so a common denominator E makes them integers. C = D^-1 has no negative
 * entry, because every coefficient of D but the first is below 0.
 */
import { FloeError } from '../errors.ts';

/** Coefficients that a run may keep: E of eight is 2048, and each more takes bits of the ring. */
export const MAX_BANDS = 8;

export interface BandedInverse {
  /** E d_k for k < p: integers, the first one is E. */
  readonly bands: readonly number[];
  /** E, a power of two; 1 for one band. */
  readonly scale: number;
}

/** d_k = d_(k-1) (2k - 3) / (2k): 1, -1/2, -1/8, -1/16, -5/128. Exact in float64 for so few. */
const squareRoot = (bands: number): readonly number[] => {
  const d = [1];
  for (let k = 1; k < bands; k += 1) d.push((d[k - 1]! * (2 * k - 3)) / (2 * k));
  return d;
};

/** @param bands p, 1 to 8 @throws FloeError `privacy_invalid` */
export const bandedInverse = (bands: number): BandedInverse => {
  if (!Number.isInteger(bands) || bands < 1 || bands > MAX_BANDS)
    throw new FloeError('privacy_invalid', `expected 1 to ${MAX_BANDS} bands, got ${bands}`);
  const d = squareRoot(bands);
  let scale = 1;
  while (!d.every((value) => Number.isInteger(value * scale))) scale *= 2;
  return { bands: d.map((value) => value * scale), scale };
};

/** Entries of the first column of C, for `rounds` rows: none is negative. */
export const inverseOf = ({ bands, scale }: BandedInverse, rounds: number): Float64Array => {
  const c = new Float64Array(rounds);
  for (let t = 0; t < rounds; t += 1) {
    let sum = t === 0 ? 1 : 0;
    for (let k = 1; k < bands.length && k <= t; k += 1) sum -= (bands[k]! / scale) * c[t - k]!;
    c[t] = sum;
  }
  return c;
};

/** Norm of C times the vector of ones: what a participant of every round changes, per unit. */
export const everyRoundNorm = (inverse: BandedInverse, rounds: number): number => {
  let [row, square] = [0, 0];
  for (const entry of inverseOf(inverse, rounds)) {
    row += entry;
    square += row * row;
  }
  return Math.sqrt(square);
};

/** The sum of |E d_k|, which is below 2 E. */
export const absoluteSum = ({ bands }: BandedInverse): number =>
  bands.reduce((sum, value) => sum + Math.abs(value), 0);

/** The sum of (E d_k)^2: variance of the noise of one round, for draws of variance 1. */
export const roundVariance = ({ bands }: BandedInverse): number =>
  bands.reduce((sum, value) => sum + value * value, 0);

/** The same of the sum of `rounds` rounds. */
export const prefixVariance = ({ bands }: BandedInverse, rounds: number): number => {
  let [partial, variance] = [0, 0];
  for (let k = 0; k < rounds; k += 1) {
    partial += bands[k] ?? 0;
    variance += partial * partial;
  }
  return variance;
};
