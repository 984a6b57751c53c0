/**
 * @module Distances between vectors of float32, in float64 and in one fixed order: everybody who
 * repeats a round gets the same bits. In float32 the cancellation of large norms has made Krum
 * choose the outlier.
 */

/** The squared L2 distance. @param a, b of one length */
export const squaredDistance = (
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    const difference = a[i]! - b[i]!;
    sum += difference * difference;
  }
  return sum;
};

/** All squared distances; symmetric, with zeros on the diagonal. */
export const squaredDistances = (vectors: readonly Float32Array[]): readonly Float64Array[] => {
  const rows = vectors.map(() => new Float64Array(vectors.length));
  for (let i = 0; i < vectors.length; i += 1)
    for (let j = 0; j < i; j += 1) {
      const distance = squaredDistance(vectors[i]!, vectors[j]!);
      rows[i]![j] = distance;
      rows[j]![i] = distance;
    }
  return rows;
};

/** The middle of some numbers; the mean of the two in the middle of an even count. */
export const medianOf = (values: ArrayLike<number>): number => {
  const sorted = Float64Array.from(values).toSorted();
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** Indices by value, the smaller index first where two are equal. */
export const ascending = (values: ArrayLike<number>): readonly number[] =>
  Array.from(values, (_, i) => i).toSorted((a, b) => values[a]! - values[b]! || a - b);
