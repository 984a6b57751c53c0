/**
 * @module Adaptive clipping: the sign, the fixed point, and the split of the budget.
 */
import { describe, expect, it } from 'vitest';
import { nextClipNorm, updateMultiplier } from '../../../protocol/privacy/adaptive-clipping.ts';

describe('the clip norm', () => {
  it('rises where all norms are far above it, and falls where all are below', () => {
    expect(nextClipNorm(1, 0)).toBeCloseTo(Math.exp(0.1), 12);
    expect(nextClipNorm(1, 1)).toBeCloseTo(Math.exp(-0.1), 12);
    expect(nextClipNorm(1, 0.5)).toBe(1);
  });

  it('finds the median of the norms from either side', () => {
    const norms = Array.from({ length: 101 }, (_, i) => 2 + i / 100);
    for (const start of [0.01, 100]) {
      let c = start;
      for (let round = 0; round < 200; round += 1)
        c = nextClipNorm(c, norms.filter((norm) => norm <= c).length / norms.length);
      expect(Math.abs(c - 2.5)).toBeLessThan(0.15);
    }
  });

  it('moves no further for noise than for updates', () => {
    expect(nextClipNorm(1, -30)).toBe(nextClipNorm(1, 0));
    expect(() => nextClipNorm(1, Number.NaN)).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });
});

describe('the budget', () => {
  it('of updates and bits together is that of the whole', () => {
    const z = updateMultiplier(1, 5);
    expect(z).toBeGreaterThan(1);
    expect(z ** -2 + (2 * 5) ** -2).toBeCloseTo(1, 12);
    expect(() => updateMultiplier(10, 5)).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });
});
