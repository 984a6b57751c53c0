/**
 * @module The discrete Fourier transform of complex vectors of a power of two (Cooley and Tukey
 * 1965), in place, as the composition of loss distributions needs it.
 */

/** Real and imaginary parts, of one length. */
export interface ComplexVector {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

const reverseBits = ({ re, im }: ComplexVector): void => {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    [re[i], re[j]] = [re[j]!, re[i]!];
    [im[i], im[j]] = [im[j]!, im[i]!];
  }
};

interface Roots {
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

/** Each root from its own angle: errors do not build up. */
export const rootsOf = (length: number): Roots => {
  const angle = (k: number): number => (2 * Math.PI * k) / length;
  return {
    cosines: Float64Array.from({ length: length / 2 }, (_, k) => Math.cos(angle(k))),
    sines: Float64Array.from({ length: length / 2 }, (_, k) => Math.sin(angle(k))),
  };
};

/**
 * x_k <- sum_j x_j e^(-2 pi i j k / n); with `inverse` the conjugate, divided by n.
 *
 * @param vector length a power of two, at most 2^26
 * @param roots of this length
 */
export const fourier = (
  vector: ComplexVector,
  { cosines, sines }: Roots,
  inverse = false,
): void => {
  const { re, im } = vector;
  const n = re.length;
  reverseBits(vector);
  const sign = inverse ? 1 : -1;
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    const stride = n / size;
    for (let from = 0; from < n; from += size)
      for (let k = 0, at = from; k < half; k += 1, at += 1) {
        const c = cosines[k * stride]!;
        const s = sign * sines[k * stride]!;
        const [a, b] = [re[at + half]!, im[at + half]!];
        const x = a * c - b * s;
        const y = a * s + b * c;
        re[at + half] = re[at]! - x;
        im[at + half] = im[at]! - y;
        re[at] = re[at]! + x;
        im[at] = im[at]! + y;
      }
  }
  if (!inverse) return;
  for (let i = 0; i < n; i += 1) {
    re[i] = re[i]! / n;
    im[i] = im[i]! / n;
  }
};
