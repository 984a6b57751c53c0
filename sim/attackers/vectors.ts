/**
 * @module The vectors of the attacks that use what several participants know, from the formulas of
 * their papers. Vectors are changes of the model, all of one length; statistics are in float64.
 */

export const changeOf = (weights: Float32Array, trained: Float32Array): Float32Array =>
  trained.map((weight, i) => weight - weights[i]!);

/** Mean of some vectors, coordinate by coordinate. */
export const meanOf = (vectors: readonly ArrayLike<number>[]): Float64Array => {
  const [first] = vectors;
  const mean = new Float64Array(first?.length ?? 0);
  for (const vector of vectors)
    for (let i = 0; i < mean.length; i += 1) mean[i]! += vector[i]! / vectors.length;
  return mean;
};

/** Standard deviation (divided by n), coordinate by coordinate. */
export const deviationOf = (
  vectors: readonly ArrayLike<number>[],
  mean: Float64Array,
): Float64Array => {
  const square = new Float64Array(mean.length);
  for (const vector of vectors)
    for (let i = 0; i < mean.length; i += 1)
      square[i]! += (vector[i]! - mean[i]!) ** 2 / vectors.length;
  return square.map(Math.sqrt);
};

/** A polynomial, its highest coefficient first. */
const horner = (of: readonly number[], x: number): number =>
  of.reduce((sum, coefficient) => sum * x + coefficient, 0);

/**
 * The quantile of the standard normal distribution for p in (0, 1): Acklam's rational
 * approximation, relative error below 1.15e-9.
 */
export const normalQuantile = (p: number): number => {
  const a = [
    -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2,
    -3.066479806614716e1, 2.506628277459239,
  ];
  const b = [
    -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1,
    -1.328068155288572e1, 1,
  ];
  const c = [
    -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734,
    4.374664141464968, 2.938163982698783,
  ];
  const d = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1];
  const tail = 0.02425;
  if (p < tail || p > 1 - tail) {
    const q = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
    const x = horner(c, q) / horner(d, q);
    return p < tail ? x : -x;
  }
  const q = p - 0.5;
  return (horner(a, q * q) * q) / horner(b, q * q);
};

/**
 * z of Baruch et al. 2019, algorithm 3: s = floor(n / 2 + 1) - f supporters are needed, and z is
 * the quantile of (n - f - s) / (n - f).
 *
 * @param n size of the cohort @param f attackers in it, below n / 2
 */
export const alieZ = (n: number, f: number): number => {
  const supporters = Math.floor(n / 2 + 1) - f;
  const p = (n - f - supporters) / (n - f);
  // With f near n / 2 nobody need be convinced, and z would be infinite.
  return normalQuantile(Math.min(Math.max(p, 1 / (2 * n)), 1 - 1 / (2 * n)));
};

/** mean - z std of what the colluders would send honestly (Baruch et al. 2019). */
export const alieVector = (honest: readonly ArrayLike<number>[], z: number): Float64Array => {
  const mean = meanOf(honest);
  const deviation = deviationOf(honest, mean);
  return mean.map((value, i) => value - z * deviation[i]!);
};

/** -epsilon mean (Xie et al. 2020). */
export const ipmVector = (honest: readonly ArrayLike<number>[], epsilon: number): Float64Array =>
  meanOf(honest).map((value) => -epsilon * value);

const distanceSquared = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i]! - b[i]!) ** 2;
  return sum;
};

/**
 * mean + gamma p with p = -std and the largest gamma >= 0 at which the vector is no further from
 * any of `honest` than the two of them that are furthest apart (Shejwalkar and Houmansadr 2021,
 * equation 8). Their bisection finds the same gamma: here it is the root of a quadratic for each.
 */
export const minMaxVector = (honest: readonly ArrayLike<number>[]): Float64Array => {
  const mean = meanOf(honest);
  const p = deviationOf(honest, mean).map((value) => -value);
  let limit = 0;
  for (const [i, a] of honest.entries())
    for (const b of honest.slice(i + 1)) limit = Math.max(limit, distanceSquared(a, b));
  const square = p.reduce((sum, value) => sum + value ** 2, 0);
  if (square === 0) return mean;
  let gamma = Infinity;
  for (const vector of honest) {
    let inner = 0;
    for (let i = 0; i < p.length; i += 1) inner += p[i]! * (mean[i]! - vector[i]!);
    // |mean - x + gamma p|^2 = limit.
    const rest = distanceSquared(mean, vector) - limit;
    gamma = Math.min(gamma, (-inner + Math.sqrt(inner ** 2 - square * rest)) / square);
  }
  return mean.map((value, i) => value + gamma * p[i]!);
};
