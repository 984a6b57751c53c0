/** What bench/compression.ts counts of steps in place of models, against enumeration. */
import { expect, it } from 'vitest';
import { expectedDownload, meanDownload } from '../../bench/learning/downloads.ts';
import { toStep8 } from '../../bench/learning/step8.ts';

it('rounds to the nearest of 254 values', () => {
  const grid: number[] = [];
  for (let mantissa = 0; mantissa < 8; mantissa += 1) {
    grid.push(2 ** -17 * (mantissa / 8));
    for (let e = -17; e <= -3; e += 1) grid.push(2 ** e * (1 + mantissa / 8));
  }
  expect(new Set(grid).size).toBe(128);
  for (let i = 1; i < 4000; i += 1) {
    const value = Math.fround(0.3 * (i / 4000) ** 6);
    const nearest = Math.min(...grid.map((one) => Math.abs(one - value)));
    expect(grid).toContain(toStep8(value));
    expect(Math.abs(toStep8(value) - value)).toBe(nearest);
    expect(toStep8(-value)).toBe(-toStep8(value));
  }
});

it('counts the steps since a participant was there, or the model', () => {
  // a: model, one step, two steps; b: model, then three steps, which are no smaller than a model.
  const cohorts = [['a', 'b'], ['a'], [], ['a', 'b']];
  expect(meanDownload(cohorts, 30, 10)).toBe((30 + 10 + 20 + 30 + 30) / 5);
  expect(meanDownload(cohorts, 30, undefined)).toBe(30);
  expect(expectedDownload(1, 30, 10)).toBe(10);
  // 1/2 one step, 1/4 two, 1/4 the model.
  expect(expectedDownload(0.5, 30, 10)).toBeCloseTo(5 + 5 + 7.5, 12);
});
