/**
 * @module Centred clipping (Karimireddy, He, Jaggi 2021, algorithm 2): v <- v + mean of x_i - v,
 * each clipped to the radius tau, some times. v begins at the aggregate of the round before. The
 * result is a sum of that centre and the vectors, and its weights are what is computed.
 */
import { blend, type Combination } from './combine.ts';
import { squaredDistance } from './distances.ts';

export interface CentredClippingOptions {
  /** tau, in units of the vectors. Default 10. */
  readonly radius?: number;
  /** 1 to 100. Default 3. */
  readonly iterations?: number;
}

/** @param centre the aggregate of the round before; zeros before the first */
export const centredClipping = (
  vectors: readonly Float32Array[],
  centre: Float32Array,
  { radius = 10, iterations = 3 }: CentredClippingOptions = {},
): Combination => {
  let ofCentre = 1;
  let weights: readonly number[] = vectors.map(() => 0);
  let at: Float32Array | Float64Array = centre;
  for (let t = 0; t < iterations; t += 1) {
    const kept = vectors.map((vector) => {
      const distance = Math.sqrt(squaredDistance(vector, at));
      return (distance <= radius ? 1 : radius / distance) / vectors.length;
    });
    const total = kept.reduce((a, b) => a + b, 0);
    ofCentre *= 1 - total;
    weights = weights.map((weight, k) => (1 - total) * weight + kept[k]!);
    if (t < iterations - 1) at = blend(vectors, centre, ofCentre, weights);
  }
  return { type: 'weights', centre: ofCentre, of: weights };
};
