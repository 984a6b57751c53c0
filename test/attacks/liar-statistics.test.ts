/**
 * @module A liar puts the whole norm of the statistics segment, 4 sqrt(d) units, into one
 * statistic. An honest mean of changes that are cut to 4 units is no longer than 4 in any of them.
 */
import { expect, it } from 'vitest';
import {
  STATISTIC_RANGE,
  statisticsNorm,
  steppedStatistics,
} from '../../protocol/algorithm/statistics.ts';

it('no statistic moves by more units than an honest mean can have', () => {
  const dimension = 1024;
  const before = new Float32Array(dimension).fill(1);
  const mean = new Float32Array(dimension);
  mean[0] = statisticsNorm(dimension);
  mean[dimension - 1] = -statisticsNorm(dimension);
  const ranges = [
    { start: 0, end: dimension / 2, isVariance: true },
    { start: dimension / 2, end: dimension, isVariance: false },
  ];
  const after = steppedStatistics(ranges, before, mean);
  expect(after[0]! - 1).toBeLessThan(STATISTIC_RANGE * 1.01);
  expect(1 - after[dimension - 1]!).toBeLessThan(2 * STATISTIC_RANGE * 1.01);
});
