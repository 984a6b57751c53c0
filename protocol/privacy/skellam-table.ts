/**
 * @module The Skellam distribution as a table of integer thresholds of 160 bits, computed in whole
 * numbers only. A floating-point sampler leaks: its error in each coordinate, times the number of
 * coordinates, can exceed delta.
 *
 * The difference of two Poisson variables of mean mu / 2 has p(k - 1) = p(k + 1) + (2 k / mu) p(k),
 * the recurrence of the modified Bessel functions I_k(mu). Run downwards from the tail it is stable
 * (Miller 1952; Abramowitz and Stegun 1964, 9.12), and the sum over all k normalises it, so neither
 * an exponential nor a logarithm is needed.
 */
import { FloeError } from '../errors.ts';

/** A variance is an integer number of units of 2^-16. */
export const VARIANCE_BITS = 16;

/** Bits of a threshold, and those that decide nearly every draw. */
export const THRESHOLD_BITS = 160;

/** Largest variance of one participant's noise: its table has about 530,000 entries. */
export const MAX_VARIANCE = 2 ** 28;

/** -ln of the probability beyond the table, as a whole number: 132 > 190 ln 2. */
const TAIL_EXPONENT = 132n;

/** Bits below the smallest mass of the table. */
const GUARD_BITS = 96n;

export interface SkellamTable {
  /** In units of 2^-16. */
  readonly variance: bigint;
  /** K: the table has the values -K to K. */
  readonly reach: number;
  /**
   * Threshold of a value: 2^160 P(X <= value), rounded down: the upper 32 bits, and the lower 128
   * in two words, the higher first. A draw u is the first value with u below its threshold.
   */
  readonly upper: Uint32Array;
  readonly lower: BigUint64Array;
}

const squareRoot = (value: bigint): bigint => {
  let x = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
};

/**
 * The least K with P(|X| > K) < 2 e^-132 by Bernstein's inequality for jumps of one:
 * x^2 >= 2 * 132 * (mu + x / 3).
 */
const reachOf = (variance: bigint): number => {
  const part = TAIL_EXPONENT / 3n;
  const square = part * part + ((2n * TAIL_EXPONENT * variance) >> BigInt(VARIANCE_BITS));
  return Number(part + squareRoot(square) + 2n);
};

/** Masses of 0 to K, not normalised. */
const massesOf = (variance: bigint, reach: number): readonly bigint[] => {
  const masses = Array.from({ length: reach + 1 }, () => 0n);
  let [above, here] = [0n, 1n << GUARD_BITS];
  masses[reach] = here;
  for (let k = BigInt(reach); k > 0n; k -= 1n) {
    const below = above + ((2n * k * here) << BigInt(VARIANCE_BITS)) / variance;
    [above, here] = [here, below];
    masses[Number(k) - 1] = below;
  }
  return masses;
};

/** The variance as the table takes it, rounded up. @throws FloeError `privacy_invalid` */
export const varianceUnits = (variance: number): bigint => {
  if (!(variance > 0 && variance <= MAX_VARIANCE))
    throw new FloeError(
      'privacy_invalid',
      `expected noise of a variance above 0 and at most 2^28 a participant, got ${variance}`,
    );
  return BigInt(Math.ceil(variance * 2 ** VARIANCE_BITS));
};

const WORD = 0xffff_ffff_ffff_ffffn;

/**
 * @param variance central variance mu in units of 2^-16, 1 to 2^44
 * @throws FloeError `privacy_invalid`
 */
export const skellamTable = (variance: bigint): SkellamTable => {
  if (variance < 1n || variance > BigInt(MAX_VARIANCE) << BigInt(VARIANCE_BITS))
    throw new FloeError('privacy_invalid', `variance ${variance} is out of the table's range`);
  const reach = reachOf(variance);
  const masses = massesOf(variance, reach);
  const total = masses.reduce((sum, mass, k) => sum + (k === 0 ? mass : 2n * mass), 0n);
  const size = 2 * reach + 1;
  const upper = new Uint32Array(size);
  const lower = new BigUint64Array(2 * size);
  let sum = 0n;
  for (let i = 0; i < size; i += 1) {
    sum += masses[Math.abs(i - reach)]!;
    // The last one would be 2^160, which no draw reaches.
    const exact = (sum << BigInt(THRESHOLD_BITS)) / total;
    const threshold = i === size - 1 ? (1n << BigInt(THRESHOLD_BITS)) - 1n : exact;
    upper[i] = Number(threshold >> 128n);
    lower[2 * i] = (threshold >> 64n) & WORD;
    lower[2 * i + 1] = threshold & WORD;
  }
  return { variance, reach, upper, lower };
};

/**
 * Bound on the statistical distance of `draws` draws from the exact distribution: each of the
 * thresholds is off by less than 2^-160, and the tails beyond the table hold less than 2^-189.
 */
export const tableError = ({ reach }: Pick<SkellamTable, 'reach'>, draws: number): number =>
  draws * (2 * reach + 2) * 2 ** -THRESHOLD_BITS;
