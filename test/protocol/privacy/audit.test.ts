/**
 * @module The empirical audit: its bound is right where the truth is known, stays below the claim
 * of the encoding's noise, and rises above it when the noise is cut by ten.
 */
import { describe, expect, it } from 'vitest';
import { auditNoise } from '../../../protocol/privacy/audit-run.ts';
import { auditProbability, auditScores, refutedEpsilon } from '../../../protocol/privacy/audit.ts';
import { randomBelow, seededRandom, unitRandom } from '../../../protocol/ports/random.ts';

const SEED = new Uint8Array(32).fill(6);

describe('the bound', () => {
  it('is the tail of the binomial distribution where delta is 0', () => {
    const all = { canaries: 10, guesses: 10, right: 10 };
    expect(auditProbability(all, 0, 0)).toBeCloseTo(2 ** -10, 12);
    expect(auditProbability({ ...all, right: 0 }, 1, 0)).toBeCloseTo(1, 12);
    // (e^epsilon / (1 + e^epsilon))^10 = 0.05
    const q = 0.05 ** (1 / 10);
    expect(refutedEpsilon(all, 0, 0.95)).toBeCloseTo(Math.log(q / (1 - q)), 9);
  });

  it('is lower for a larger delta, and 0 for guesses that are half right', () => {
    const count = { canaries: 100, guesses: 100, right: 90 };
    expect(refutedEpsilon(count, 1e-3, 0.95)).toBeLessThan(refutedEpsilon(count, 0, 0.95));
    expect(refutedEpsilon({ ...count, right: 50 }, 1e-5, 0.95)).toBe(0);
  });

  it('holds for randomised response, whose epsilon is known', () => {
    const random = seededRandom(SEED);
    const truth = 1;
    const kept = Math.exp(truth) / (1 + Math.exp(truth));
    const bounds = Array.from({ length: 20 }, () => {
      const included = Array.from({ length: 400 }, () => randomBelow(random, 2) === 1);
      const scores = included.map((is) => Number(unitRandom(random) < kept === is));
      return auditScores(scores, included, 0.5, 0).epsilon;
    });
    expect(bounds.filter((bound) => bound > truth).length).toBeLessThanOrEqual(2);
    expect(bounds.reduce((a, b) => a + b) / 20).toBeGreaterThan(0.5);
  });
});

describe("the encoding's noise", () => {
  const input = {
    epsilon: 3,
    delta: 1e-5,
    rounds: 2,
    canaries: 256,
    dimension: 512,
    seed: SEED,
  };

  it('stays below its claim, and is found at all', () => {
    const found = auditNoise(input);
    expect(found.claimed).toBeLessThanOrEqual(3);
    expect(found.ok).toBe(true);
    expect(found.epsilon).toBeGreaterThan(0.3);
  });

  it('is found to be less than it claims when it is cut by ten', () => {
    const found = auditNoise({ ...input, noiseFactor: 0.1 });
    expect(found.epsilon).toBeGreaterThan(found.claimed);
    expect(found.ok).toBe(false);
  });

  it('of correlated noise stays below its claim over many sums, and does not with a tenth', () => {
    const many = { ...input, rounds: 6, bands: 3 };
    const found = auditNoise(many);
    expect(found.ok).toBe(true);
    expect(found.epsilon).toBeGreaterThan(0);
    const cut = auditNoise({ ...many, noiseFactor: 0.1 });
    expect(cut.epsilon).toBeGreaterThan(cut.claimed);
    expect(() => auditNoise({ ...input, rounds: 2, bands: 3 })).toThrow('no more bands');
  });

  it('refuses sizes without orthogonal canaries', () => {
    expect(() => auditNoise({ ...input, dimension: 256 })).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });
});
