/**
 * @module Sensitivities, calibration and the plan of a private run; DP-FTRL over real numbers.
 */
import { describe, expect, it } from 'vitest';
import { epsilonOfGaussian } from '../../../protocol/privacy/accounting/analytic-gaussian.ts';
import { describePlan } from '../../../protocol/privacy/describe-plan.ts';
import { ftrlSensitivity, squareRootCoefficients } from '../../../protocol/privacy/ftrl.ts';
import {
  calibrate,
  guaranteeOf,
  honestSurvivors,
  noiseOf,
  wrapProbability,
} from '../../../protocol/privacy/noise.ts';
import { planCorrelated } from '../../../protocol/privacy/plan-correlated.ts';
import { planPrivacy } from '../../../protocol/privacy/plan.ts';
import { integerSensitivity, roundedNorm } from '../../../protocol/privacy/sensitivity.ts';
import { skellamSampler } from '../../../protocol/privacy/skellam.ts';
import { cipherStream } from '../../../protocol/ports/random.ts';

const invalid = expect.objectContaining({ code: 'privacy_invalid' });

describe('sensitivity', () => {
  it('has the published values', () => {
    expect(roundedNorm(1000, 65_536)).toBeCloseTo(1008.718, 5);
    expect(roundedNorm(10, 64, Infinity)).toBe(18);
  });

  it('takes the certain bound where it is smaller', () => {
    expect(roundedNorm(10, 1, 50)).toBe(11);
    expect(() => roundedNorm(Number.NaN, 4)).toThrow(invalid);
  });

  it('bounds the L1 norm of integers by the square of their L2 norm', () => {
    expect(integerSensitivity(3, 1e6)).toEqual({ l2: 3, l1: 9 });
    expect(integerSensitivity(100, 16)).toEqual({ l2: 100, l1: 400 });
  });
});

describe('calibration', () => {
  const segments = [{ norm: 12_620, dimension: 200_704 }];
  const target = { epsilon: 4, delta: 1e-6, participations: 20 };

  it('keeps the target, and 1 % less noise misses it', () => {
    const z = calibrate(segments, target);
    const epsilon = (multiplier: number): number =>
      guaranteeOf(noiseOf(segments, multiplier), 20, 1e-6).epsilon;
    expect(epsilon(z)).toBeLessThanOrEqual(4);
    expect(epsilon(0.99 * z)).toBeGreaterThan(4);
    // RDP costs a little against the exact curve of the Gaussian.
    expect(epsilonOfGaussian(z / Math.sqrt(20), 1e-6)).toBeGreaterThan(3.5);
  });

  it('two vectors cost what one does with the same multiplier', () => {
    const one = guaranteeOf(noiseOf(segments, 5), 20, 1e-6).epsilon;
    const two = guaranteeOf(noiseOf([...segments, ...segments], 5), 20, 1e-6).epsilon;
    expect(Math.abs(two / one - 1)).toBeLessThan(1e-3);
  });

  it('counts all corrupt members among the smallest survivor set', () => {
    expect(honestSurvivors(100, 60, 0.9)).toBe(50);
    expect(honestSurvivors(10, 5, 1)).toBe(5);
    expect(honestSurvivors(15, 10, 0.9)).toBe(8);
    expect(() => honestSurvivors(100, 10, 0.9)).toThrow(invalid);
  });
});

describe('the probability of a wrap', () => {
  it('bounds what is drawn', () => {
    const variance = 100;
    const draws = new Int32Array(200_000);
    skellamSampler(variance).draw(draws, cipherStream(new Uint8Array(32).fill(9)));
    // 2^6 - 20 = 44: 4.4 deviations.
    const beyond = draws.filter((value) => Math.abs(value) >= 34).length / draws.length;
    expect(beyond).toBeGreaterThan(0);
    expect(beyond).toBeLessThan(wrapProbability(7, 30, variance, 1));
    expect(wrapProbability(7, 64, variance, 1)).toBe(1);
  });

  it('refuses ring16 at q = 8 and takes it at q = 4, as the size of the noise says', () => {
    const wrap = (level: number, deviation: number): number =>
      wrapProbability(16, 100 * level, deviation ** 2, 200_704);
    expect(wrap(127, 12_600)).toBe(1);
    expect(wrap(7, 695 * 1.3)).toBeLessThan(1e-60);
  });
});

describe('the plan', () => {
  const input = {
    epsilon: 4,
    delta: 1e-6,
    participants: 1000,
    cohort: 100,
    rounds: 200,
    dimension: 200_000,
  };

  it('keeps the target with a ring that holds the noise', () => {
    const plan = planPrivacy(input);
    expect(plan).toMatchObject({ participations: 20, minimum: 60, honestSurvivors: 50 });
    expect(plan.epsilon).toBeLessThanOrEqual(4);
    expect(plan.epsilon).toBeGreaterThan(3.99);
    expect(plan.wrapProbability).toBeLessThan(1e-6);
    // z C sqrt(d) / n, with twice the variance of the honest half.
    const expected = (plan.noiseMultiplier * Math.sqrt(200_704) * Math.SQRT2) / 100;
    expect(Math.abs(plan.noiseToClip / expected - 1)).toBeLessThan(0.05);
  });

  it('says what more participants and fewer parameters buy', () => {
    const plan = planPrivacy(input);
    const found = new Map(plan.alternatives.map((entry) => [entry.change, entry.noiseToClip]));
    expect(found.get('10000 participants')).toBeLessThan(plan.noiseToClip / 2);
    expect(found.get('20000 parameters')).toBeLessThan(plan.noiseToClip / 3);
    const text = describePlan(input, plan).map(([, line]) => line);
    expect(text.join('\n')).toContain('at most 20 of them');
  });

  it('refuses sizes that do not fit each other', () => {
    expect(() => planPrivacy({ ...input, participants: 50 })).toThrow(invalid);
    expect(() => planPrivacy({ ...input, participations: 3 })).toThrow(invalid);
    expect(() => planPrivacy({ ...input, ring: 'ring16', dimension: 2 ** 27 })).toThrow(invalid);
  });
});

describe('DP-FTRL over real numbers', () => {
  it('has the coefficients of the square root, whose square is the prefix sums', () => {
    const c = squareRootCoefficients(64);
    expect(Array.from(c.slice(0, 5))).toEqual([1, 1 / 2, 3 / 8, 5 / 16, 35 / 128]);
    for (let t = 0; t < 64; t += 1) {
      const product = c.slice(0, t + 1).reduce((sum, value, k) => sum + value * c[t - k]!, 0);
      expect(product).toBeCloseTo(1, 12);
    }
  });

  it('finds the worst pattern of participations', () => {
    const rounds = 7;
    const c = squareRootCoefficients(rounds);
    const norm = (pattern: readonly number[]): number =>
      Math.hypot(
        ...Array.from({ length: rounds }, (_, t) =>
          pattern.reduce((sum, s) => sum + (t >= s ? c[t - s]! : 0), 0),
        ),
      );
    const patterns = (from: number, left: number): number[][] =>
      left === 0 || from >= rounds
        ? [[]]
        : [
            [],
            ...Array.from({ length: rounds - from }, (_, i) => from + i).flatMap((first) =>
              patterns(first + 3, left - 1).map((rest) => [first, ...rest]),
            ),
          ];
    const worst = Math.max(...patterns(0, 2).map(norm));
    expect(ftrlSensitivity({ rounds, separation: 3, most: 2 })).toBeCloseTo(worst, 12);
    expect(ftrlSensitivity({ rounds, separation: 7 })).toBeCloseTo(Math.hypot(...c), 12);
  });

  it('refuses a separation that the rounds do not have', () => {
    expect(() => ftrlSensitivity({ rounds: 5, separation: 9 })).toThrow(invalid);
  });
});

describe('a plan in groups', () => {
  const sizes = {
    epsilon: 8,
    delta: 1e-5,
    participants: 100,
    cohort: 100,
    rounds: 20,
    dimension: 7850,
  };

  it('costs the root of the honest survivors of a cohort over those of a group', () => {
    const one = planPrivacy(sizes);
    const plan = planPrivacy({ ...sizes, groupSize: 20 });
    expect([one.honestSurvivors, plan.honestSurvivors]).toEqual([50, 4]);
    expect(plan.noiseToClip / one.noiseToClip).toBeCloseTo(Math.sqrt(50 / 4), 1);
    expect(plan.groups).toMatchObject({ size: 20, count: 5 });
    expect(plan.groups?.timesOneSum).toBeCloseTo(plan.noiseToClip / one.noiseToClip, 9);
    // The mean of one of five groups.
    expect(plan.groups!.noiseToClip / plan.noiseToClip).toBeCloseTo(Math.sqrt(5), 9);
    const lines = describePlan({ ...sizes, groupSize: 20 }, plan).map(([, text]) => text);
    expect(lines.find((line) => line.startsWith('price'))).toContain('3.57 times the noise');
    expect(one.groups).toBeUndefined();
  });

  it('is refused where a group may have no honest noise, or is larger than the cohort', () => {
    expect(() => planPrivacy({ ...sizes, groupSize: 5 })).toThrow(invalid);
    expect(() => planPrivacy({ ...sizes, groupSize: 101 })).toThrow(invalid);
  });
});

describe('a plan with a buffer', () => {
  const sizes = {
    epsilon: 4,
    delta: 1e-5,
    participants: 12,
    cohort: 6,
    rounds: 20,
    dimension: 91,
  };

  it('counts on a fraction of all participants, each in every round', () => {
    const drawn = planPrivacy({ ...sizes, participants: 20 });
    const plan = planPrivacy({ ...sizes, participants: 20, buffer: 6 });
    // ceil(0.6 * 6) survivors, less a tenth of 6 or of 20, rounded up.
    expect([drawn.honestSurvivors, plan.honestSurvivors]).toEqual([3, 2]);
    expect([drawn.participations, plan.participations]).toEqual([6, 20]);
    const text = describePlan({ ...sizes, participants: 20, buffer: 6 }, plan);
    expect(text.map(([, line]) => line).join('\n')).toContain('may be in one buffer');
  });

  it('leaves out other sizes in which nobody is sure to add noise', () => {
    const { alternatives } = planPrivacy({ ...sizes, buffer: 6 });
    expect(alternatives.map(({ change }) => change)).not.toContain('120 participants');
    expect(alternatives.map(({ change }) => change)).toContain('24 participants');
  });

  it('is refused of another size than the cohort, or where all survivors may add none', () => {
    expect(() => planPrivacy({ ...sizes, buffer: 5 })).toThrow(invalid);
    expect(() => planPrivacy({ ...sizes, participants: 120, buffer: 6 })).toThrow(invalid);
  });
});

it('a plan warns of a delta that is not small for its participants', () => {
  const sizes = { epsilon: 4, participants: 12, cohort: 12, rounds: 2, dimension: 91 };
  const warned = (delta: number): boolean =>
    describePlan({ ...sizes, delta }, planPrivacy({ ...sizes, delta })).some(
      ([level]) => level === 'warn',
    );
  expect([warned(1e-5), warned(0.05)]).toEqual([false, true]);
});

describe('correlated noise in the plan', () => {
  const input = {
    epsilon: 8,
    delta: 1e-6,
    participants: 100,
    cohort: 100,
    rounds: 20,
    dimension: 7850,
  };
  const plan = planPrivacy(input);

  it('says that independent noise is better in the sum of all rounds, and by how much', () => {
    const two = planCorrelated(input, plan)!;
    expect(two).toMatchObject({ bands: 2, ring: 'ring32' });
    expect(two.wrapProbability).toBeLessThan(1e-6);
    // The whole run is one mechanism: as many rounds of independent noise are one of z / sqrt(T).
    expect(two.noiseMultiplier / (plan.noiseMultiplier / Math.sqrt(20))).toBeCloseTo(1, 2);
    expect(two.ratio).toBeGreaterThan(1);
    expect(two.ratio).toBeLessThan(1.05);
    const three = planCorrelated({ ...input, bands: 3 }, plan)!;
    expect(three.ratio).toBeGreaterThan(two.ratio);
    const text = describePlan(input, plan, two).map(([, line]) => line);
    expect(text.find((line) => line.startsWith('better'))).toContain('independent noise');
  });

  it('refuses drawn cohorts, by name', () => {
    const drawn = { ...input, participants: 200 };
    const other = planPrivacy(drawn);
    expect(planCorrelated(drawn, other)).toBeUndefined();
    expect(describePlan(drawn, other).map(([, line]) => line)).toContain(
      'correlated refused: it needs every participant in every round',
    );
    expect(planCorrelated({ ...input, rounds: 1 }, plan)).toBeUndefined();
  });
});
