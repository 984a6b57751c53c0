/**
 * @module Fast Walsh-Hadamard transform (Sylvester order) in place: additions and subtractions in a
 * fixed order, so the result is bit-exact on every machine. Two levels at a time (radix 4), which
 * halves the passes over memory.
 */

/**
 * x[offset .. offset+size) <- H x, H_ij = (-1)^popcount(i & j): not normalised, so applying it
 * twice multiplies by `size`.
 *
 * @param size a power of two
 */
export const walshHadamard = (x: Float64Array, offset: number, size: number): void => {
  const end = offset + size;
  let half = 1;
  if (size >= 4) {
    // The first two levels: the loops below would turn once for every four values.
    for (let i = offset; i < end; i += 4) {
      const s01 = x[i]! + x[i + 1]!;
      const d01 = x[i]! - x[i + 1]!;
      const s23 = x[i + 2]! + x[i + 3]!;
      const d23 = x[i + 2]! - x[i + 3]!;
      x[i] = s01 + s23;
      x[i + 1] = d01 + d23;
      x[i + 2] = s01 - s23;
      x[i + 3] = d01 - d23;
    }
    half = 4;
  }
  for (; half * 4 <= size; half *= 4) {
    const step = half * 4;
    for (let start = offset; start < end; start += step) {
      for (let i = start; i < start + half; i += 1) {
        const i1 = i + half;
        const i2 = i1 + half;
        const i3 = i2 + half;
        const s01 = x[i]! + x[i1]!;
        const d01 = x[i]! - x[i1]!;
        const s23 = x[i2]! + x[i3]!;
        const d23 = x[i2]! - x[i3]!;
        x[i] = s01 + s23;
        x[i1] = d01 + d23;
        x[i2] = s01 - s23;
        x[i3] = d01 - d23;
      }
    }
  }
  if (half < size) {
    // size is an odd power of two: one level is left.
    const middle = offset + half;
    for (let i = offset; i < middle; i += 1) {
      const a = x[i]!;
      const b = x[i + half]!;
      x[i] = a + b;
      x[i + half] = a - b;
    }
  }
};
