/**
 * @module The exact trade of epsilon and delta of one Gaussian mechanism (Balle and Wang 2018,
 * theorem 8). Several Gaussians of multipliers sigma_i without sampling are one of multiplier
 * 1 / sqrt(sum 1 / sigma_i^2).
 */
import { FloeError } from '../../errors.ts';
import { bisect, logNormalTail, normalTail } from './special.ts';

/**
 * Phi(1/(2 sigma) - epsilon sigma) - e^epsilon Phi(-1/(2 sigma) - epsilon sigma).
 *
 * @param noiseMultiplier standard deviation over the sensitivity, > 0
 * @param epsilon any number
 */
export const deltaOfGaussian = (noiseMultiplier: number, epsilon: number): number => {
  const half = 1 / (2 * noiseMultiplier);
  const shift = epsilon * noiseMultiplier;
  return normalTail(shift - half) - Math.exp(epsilon + logNormalTail(shift + half));
};

const requireDelta = (delta: number): void => {
  if (!(delta > 0 && delta < 1))
    throw new FloeError('privacy_invalid', `delta: expected above 0 and below 1, got ${delta}`);
};

/** The least epsilon >= 0 for a delta. @throws FloeError `privacy_invalid` */
export const epsilonOfGaussian = (noiseMultiplier: number, delta: number): number => {
  requireDelta(delta);
  if (!(noiseMultiplier > 0))
    throw new FloeError('privacy_invalid', `expected a multiplier above 0, got ${noiseMultiplier}`);
  if (deltaOfGaussian(noiseMultiplier, 0) <= delta) return 0;
  let high = 1;
  while (deltaOfGaussian(noiseMultiplier, high) > delta) high *= 2;
  return bisect(0, high, (epsilon) => deltaOfGaussian(noiseMultiplier, epsilon) > delta);
};

/** The least multiplier that gives epsilon > 0 at delta. @throws FloeError `privacy_invalid` */
export const multiplierOfGaussian = (epsilon: number, delta: number): number => {
  requireDelta(delta);
  if (!(epsilon > 0))
    throw new FloeError('privacy_invalid', `expected an epsilon above 0, got ${epsilon}`);
  let high = 1;
  while (deltaOfGaussian(high, epsilon) > delta) high *= 2;
  return bisect(0, high, (sigma) => sigma === 0 || deltaOfGaussian(sigma, epsilon) > delta);
};
