/**
 * @module Ways to combine vectors into one. A combination is data: it follows from distances
 * between whole vectors, and is then applied coordinate by coordinate. Sums are float64 in the
 * order of the vectors, and are rounded to float32 once.
 */

/** How the vectors of a round become one. */
export type Combination =
  /** `centre` times the centre, plus the sum of these times the vectors. */
  | { readonly type: 'weights'; readonly centre: number; readonly of: readonly number[] }
  /** The mean of what is left without the `cut` smallest and largest values of a coordinate. */
  | { readonly type: 'trimmed'; readonly cut: number };

/** The median as a trimmed mean: one value is left of an odd count, two of an even one. */
export const medianCut = (count: number): number => Math.floor((count - 1) / 2);

/** A weighted sum in float64. @param vectors of the length of `centre` */
export const blend = (
  vectors: readonly Float32Array[],
  centre: Float32Array,
  ofCentre: number,
  weights: readonly number[],
): Float64Array => {
  const sum = new Float64Array(centre.length);
  for (let i = 0; i < sum.length; i += 1) sum[i] = ofCentre * centre[i]!;
  for (const [k, vector] of vectors.entries()) {
    const weight = weights[k]!;
    for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! + weight * vector[i]!;
  }
  return sum;
};

const trimmed = (
  vectors: readonly Float32Array[],
  dimension: number,
  cut: number,
): Float32Array => {
  const result = new Float32Array(dimension);
  const column = new Float32Array(vectors.length);
  const kept = vectors.length - 2 * cut;
  for (let i = 0; i < dimension; i += 1) {
    for (let k = 0; k < vectors.length; k += 1) column[k] = vectors[k]![i]!;
    column.sort();
    let sum = 0;
    for (let k = cut; k < column.length - cut; k += 1) sum += column[k]!;
    result[i] = sum / kept;
  }
  return result;
};

/**
 * Applies a combination.
 *
 * @param vectors of one length, finite @param centre of the same length
 */
export const combine = (
  vectors: readonly Float32Array[],
  centre: Float32Array,
  combination: Combination,
): Float32Array =>
  combination.type === 'weights'
    ? Float32Array.from(blend(vectors, centre, combination.centre, combination.of))
    : trimmed(vectors, centre.length, combination.cut);

/** The means of some vectors each. @param rows indices, at least one a row */
export const meansOf = (
  vectors: readonly Float32Array[],
  rows: readonly (readonly number[])[],
): readonly Float32Array[] =>
  rows.map((row) => {
    const [first] = vectors;
    const mean = new Float32Array(first?.length ?? 0);
    for (let i = 0; i < mean.length; i += 1) {
      let sum = 0;
      for (const k of row) sum += vectors[k]![i]!;
      mean[i] = sum / row.length;
    }
    return mean;
  });
