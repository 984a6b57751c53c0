/**
 * @module The error function of the normal distribution, in double precision and in logarithms, and
 * sums of logarithms. The accountants need tails far below the smallest double. Series and
 * continued fraction: Abramowitz and Stegun 1964, 7.1.6 and 7.1.14; gamma: Lanczos 1964.
 */

/** Below it the series is as exact as the continued fraction, and shorter. */
const SERIES_BELOW = 1.5;
const SQRT_PI = Math.sqrt(Math.PI);

/** erf for 0 <= x < 1.5: all terms are positive, so nothing cancels. */
const erfSeries = (x: number): number => {
  const square = 2 * x * x;
  let term = x;
  let sum = x;
  for (let k = 3; term > sum * 1e-17; k += 2) {
    term *= square / k;
    sum += term;
  }
  return (2 / SQRT_PI) * Math.exp(-x * x) * sum;
};

/** exp(x^2) erfc(x) for x >= 1.5, by the continued fraction from its end. */
const scaledTail = (x: number): number => {
  const terms = Math.ceil(20 + 300 / (x * x));
  let rest = x;
  for (let k = terms; k >= 1; k -= 1) rest = x + k / 2 / rest;
  return 1 / (SQRT_PI * rest);
};

/** 1 - erf(x). */
export const erfc = (x: number): number => {
  if (x < 0) return 2 - erfc(-x);
  return x < SERIES_BELOW ? 1 - erfSeries(x) : scaledTail(x) * Math.exp(-x * x);
};

/** ln erfc(x), for any finite x. */
export const logErfc = (x: number): number =>
  x < SERIES_BELOW ? Math.log(erfc(x)) : Math.log(scaledTail(x)) - x * x;

/** P(N(0, 1) > x). */
export const normalTail = (x: number): number => erfc(x / Math.SQRT2) / 2;

/** ln P(N(0, 1) > x). */
export const logNormalTail = (x: number): number => logErfc(x / Math.SQRT2) - Math.LN2;

/** ln(e^a + e^b). */
export const logAdd = (a: number, b: number): number => {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === -Infinity ? high : high + Math.log1p(Math.exp(low - high));
};

/** Lanczos, g = 7, nine terms: relative error below 1e-15. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
] as const;

/** ln gamma(x) for x > 0. */
export const logGamma = (x: number): number => {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  const t = y + 7.5;
  const sum = LANCZOS.reduce((total, c, i) => (i === 0 ? c : total + c / (y + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
};

/** ln of n over k. */
export const logBinomial = (n: number, k: number): number =>
  logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);

/** The x in [low, high] at which `above` turns from true to false, to the last digit. */
export const bisect = (low: number, high: number, above: (x: number) => boolean): number => {
  let [from, to] = [low, high];
  for (let i = 0; i < 100 && from < to; i += 1) {
    const middle = from + (to - from) / 2;
    if (middle === from || middle === to) break;
    if (above(middle)) from = middle;
    else to = middle;
  }
  return to;
};
