/**
 * @module The norm of a vector after stochastic rounding to integers (Kairouz et al. 2021, DDGauss,
 * proposition 22). A participant rounds again until its norm is within the bound, so the bound is
 * the sensitivity of the sum. Square roots only: everybody computes the same bits.
 */
import { FloeError } from '../errors.ts';

/** ln(1 / beta) for beta = e^(-1/2): a rounding is repeated with probability e^(-1/2) at most. */
export const DEFAULT_LOG_INVERSE_BETA = 0.5;

/**
 * min(c + sqrt(d), sqrt(c^2 + d/4 + sqrt(2 ln(1/beta)) (c + sqrt(d)/2))).
 *
 * @param norm c, of the vector before rounding, in units of the lattice, >= 0
 * @param dimension d, coordinates that are rounded, padding included
 * @param logInverseBeta ln(1/beta); Infinity for beta = 0, where no rounding is refused
 * @throws FloeError `privacy_invalid`
 */
export const roundedNorm = (
  norm: number,
  dimension: number,
  logInverseBeta = DEFAULT_LOG_INVERSE_BETA,
): number => {
  if (!(norm >= 0 && norm < Infinity && dimension >= 1 && logInverseBeta >= 0))
    throw new FloeError(
      'privacy_invalid',
      `expected a norm and a dimension, got ${norm} and ${dimension}`,
    );
  const root = Math.sqrt(dimension);
  const certain = norm + root;
  if (logInverseBeta === Infinity) return certain;
  const likely = norm ** 2 + dimension / 4 + Math.sqrt(2 * logInverseBeta) * (norm + root / 2);
  return Math.min(certain, Math.sqrt(likely));
};

/** Sensitivities of a sum of integer vectors when one of them is replaced by zero. */
export interface Sensitivity {
  readonly l1: number;
  readonly l2: number;
}

/**
 * Of integer vectors of a bounded L2 norm: |x|_1 <= sqrt(d) |x|_2, and |x|_1 <= |x|_2^2, because an
 * integer is at most its square.
 */
export const integerSensitivity = (l2: number, dimension: number): Sensitivity => ({
  l2,
  l1: Math.min(Math.sqrt(dimension) * l2, l2 * l2),
});
