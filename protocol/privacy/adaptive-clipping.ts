/**
 * @module A clip norm that follows a quantile of the updates' norms (Andrew, Thakkar, McMahan,
 * Ramaswamy 2021): each participant adds one bit, whether its norm is within C, and the noisy count
 * moves C. The bits spend budget as the updates do.
 */
import { FloeError } from '../errors.ts';

export interface ClipRule {
  /** Fraction of the updates that should be within the norm, 0 to 1; 0.5 in the paper. */
  readonly quantile: number;
  /** eta: 0.2 in the paper. */
  readonly rate: number;
}

export const DEFAULT_CLIP_RULE: ClipRule = { quantile: 0.5, rate: 0.2 };

/**
 * C exp(-eta (b - gamma)): where more updates than the quantile are within C it falls, where fewer
 * are it rises.
 *
 * @param within b: noisy fraction of updates of norm at most C; noise may take it out of 0 to 1
 * @throws FloeError `privacy_invalid`
 */
export const nextClipNorm = (
  clipNorm: number,
  within: number,
  { quantile, rate }: ClipRule = DEFAULT_CLIP_RULE,
): number => {
  if (!(clipNorm > 0 && Number.isFinite(within)))
    throw new FloeError(
      'privacy_invalid',
      `expected a clip norm above 0 and a fraction, got ${clipNorm} and ${within}`,
    );
  // One round of wild noise must not move it further than the worst honest one.
  const bounded = Math.min(1, Math.max(0, within));
  return clipNorm * Math.exp(-rate * (bounded - quantile));
};

/**
 * The multiplier of the noise on updates, so that updates and bits together are one mechanism of
 * multiplier z: (z^-2 - (2 sigma_b)^-2)^(-1/2). A bit counts from -1/2, so its sensitivity is 1/2.
 *
 * @param bitDeviation deviation of the noise on the count of bits; n / 20 in the paper
 * @throws FloeError `privacy_invalid` where the bits alone cost more than the whole
 */
export const updateMultiplier = (multiplier: number, bitDeviation: number): number => {
  const left = multiplier ** -2 - (2 * bitDeviation) ** -2;
  if (left > 0) return left ** -0.5;
  throw new FloeError(
    'privacy_invalid',
    `a count with noise ${bitDeviation} costs more than multiplier ${multiplier} allows`,
  );
};
