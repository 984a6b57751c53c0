/**
 * @module How far a value lies from a few others, in a measure that one wild value among them does
 * not spoil: the modified z-score (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers).
 */

/** Median absolute deviation by standard deviation, of a normal distribution. */
const OF_MEDIAN = 0.6745;
/** The same for the mean absolute deviation: sqrt(pi / 2). */
const OF_MEAN = 1.253314;
/** Keeps scores finite where the others are equal. */
export const MOST_SCORE = 1000;

/** @param values at least one */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle]!;
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2;
};

/**
 * The modified z-score of a value among others, positive above their median. Where more than half
 * of the others are equal, their mean absolute deviation takes the place of the median one.
 *
 * @param others at least one, without `value`
 * @returns between -1000 and 1000
 */
export const modifiedZScore = (value: number, others: readonly number[]): number => {
  const centre = median(others);
  const deviations = others.map((other) => Math.abs(other - centre));
  const typical = median(deviations) / OF_MEDIAN;
  const spread =
    typical > 0 ? typical : (OF_MEAN * deviations.reduce((a, b) => a + b, 0)) / others.length;
  const distance = value - centre;
  if (distance === 0) return 0;
  return Math.min(MOST_SCORE, Math.max(-MOST_SCORE, distance / spread));
};
