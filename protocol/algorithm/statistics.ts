/**
 * @module The statistics of a model, such as the moving mean and variance of batch normalisation,
 * as they travel: in a separate segment, weighted by examples. Each is sent as its change in
 * units that everybody knows from the model before: a variance in units of itself, a mean in units
 * of its layer's deviation. So the rounding error is relative to each value, whatever the layers
 * measure, and the mean of the changes is the change of the mean. A change beyond the range is cut;
 * the next rounds bring the rest.
 */
import type { StatisticRange } from '../model/parts.ts';
import { sizeOf } from '../model/parts.ts';

/** Units that a statistic changes in a round, at most. */
export const STATISTIC_RANGE = 4;
/** Of a variance that is near 0. */
const LEAST_VARIANCE = 1e-3;

/** L2 norm of the changes of `dimension` statistics, at most. */
export const statisticsNorm = (dimension: number): number => STATISTIC_RANGE * Math.sqrt(dimension);

/** NaN stays: it is refused where it is used. */
const cut = (change: number): number =>
  change > STATISTIC_RANGE
    ? STATISTIC_RANGE
    : change < -STATISTIC_RANGE
      ? -STATISTIC_RANGE
      : change;

/** The unit of each statistic, in float64. @param before flat weights before the round */
export const statisticUnits = (
  ranges: readonly StatisticRange[],
  before: Float32Array,
): Float64Array => {
  const units = new Float64Array(sizeOf(ranges));
  let at = 0;
  for (const { start, end, isVariance, variances } of ranges)
    for (let i = start; i < end; i += 1, at += 1) {
      if (isVariance) units[at] = Math.max(before[i]!, 0) + LEAST_VARIANCE;
      else if (variances === undefined) units[at] = Math.abs(before[i]!) + 1;
      else {
        const variance = before[variances + i - start]!;
        units[at] = Math.sqrt(Math.max(variance, 0) + LEAST_VARIANCE);
      }
    }
  return units;
};

/** What a participant sends: (after - before) / unit, cut to the range. */
export const statisticChanges = (
  ranges: readonly StatisticRange[],
  before: Float32Array,
  after: Float32Array,
): Float32Array => {
  const units = statisticUnits(ranges, before);
  const changes = new Float32Array(units.length);
  let at = 0;
  for (const { start, end } of ranges)
    for (let i = start; i < end; i += 1, at += 1)
      changes[at] = cut((after[i]! - before[i]!) / units[at]!);
  return changes;
};

/**
 * The statistics after a round, in the order of the segment: before + unit * mean change; a
 * variance is at least 0. The mean is cut like each change: a liar may put the norm of the whole
 * segment into one statistic.
 */
export const steppedStatistics = (
  ranges: readonly StatisticRange[],
  before: Float32Array,
  mean: Float32Array,
): Float32Array => {
  const units = statisticUnits(ranges, before);
  const after = new Float32Array(units.length);
  let at = 0;
  for (const { start, end, isVariance } of ranges)
    for (let i = start; i < end; i += 1, at += 1) {
      const value = before[i]! + units[at]! * cut(mean[at]!);
      after[at] = isVariance && value < 0 ? 0 : value;
    }
  return after;
};
