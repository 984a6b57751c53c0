/**
 * @module Draws from a reproducible stream: uniform numbers, permutations (Fisher and Yates),
 * normal and gamma variates (Marsaglia and Tsang 2000). For scenarios only: where data lies and who
 * fails. Nothing here is for secrets.
 */
import { randomBelow, type RandomSource } from '../../protocol/ports/random.ts';

/** Uniform over [0, 1) in steps of 2^-53. */
export const uniform = (random: RandomSource): number => {
  const bytes = random(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return ((view.getUint32(0, true) >>> 5) * 2 ** 26 + (view.getUint32(4, true) >>> 6)) / 2 ** 53;
};

/** Permutes `items` in place and returns them. */
export const shuffle = (items: Uint32Array, random: RandomSource): Uint32Array => {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = randomBelow(random, i + 1);
    const kept = items[i] as number;
    items[i] = items[j] as number;
    items[j] = kept;
  }
  return items;
};

/** Standard normal (Box and Muller 1958). */
export const normal = (random: RandomSource): number =>
  Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random));

/**
 * Logarithm of a Gamma(shape, 1) variate. In logarithms because for a shape far below 1 the variate
 * itself underflows. Shapes below 1 use Gamma(shape) = Gamma(shape + 1) U^(1 / shape).
 */
export const logGamma = (shape: number, random: RandomSource): number => {
  if (shape < 1) return logGamma(shape + 1, random) + Math.log(1 - uniform(random)) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - uniform(random)) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return Math.log(d * v);
  }
};
