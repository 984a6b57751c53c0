/**
 * @module The accountants against values that the authors' code and Google's library gave.
 */
import { describe, expect, it } from 'vitest';
import {
  deltaOfGaussian,
  epsilonOfGaussian,
  multiplierOfGaussian,
} from '../../../protocol/privacy/accounting/analytic-gaussian.ts';
import {
  composeGaussians,
  deltaOfLoss,
  epsilonOfLoss,
} from '../../../protocol/privacy/accounting/pld.ts';
import {
  composeRdp,
  epsilonOfRdp,
  gaussianRdp,
  skellamRdp,
} from '../../../protocol/privacy/accounting/rdp.ts';
import { erfc, logErfc, logGamma } from '../../../protocol/privacy/accounting/special.ts';

const TABLE = [
  [1.1, 256 / 60_000, 14_063, 1e-5, 2.596656, 2.381779],
  [1, 0.01, 1000, 1e-5, 2.101367, 1.828244],
  [2, 0.1, 100, 1e-5, 2.580571, 2.3374],
  [1, 0.001, 10_000, 1e-6, 0.979542, 0.555392],
  [20, 1, 100, 1e-5, 2.165716, 1.993091],
] as const;

describe.each(TABLE)('sigma %d, q %d, %d steps, delta %d', (sigma, q, steps, delta, rdp, pld) => {
  const mechanism = { noiseMultiplier: sigma, samplingRate: q, steps };

  it('has the published epsilon by RDP', () => {
    const { epsilon } = epsilonOfRdp(gaussianRdp(mechanism), delta);
    expect(Math.abs(epsilon - rdp)).toBeLessThan(1e-5);
  });

  it('has the published epsilon by PLD', () => {
    const pair = composeGaussians([mechanism]);
    const epsilon = epsilonOfLoss(pair, delta);
    expect(Math.abs(epsilon - pld)).toBeLessThan(1e-5);
    expect(deltaOfLoss(pair, epsilon)).toBeCloseTo(delta, 9);
  });
});

describe('the Gaussian mechanism', () => {
  it('has the published divergences', () => {
    const { values } = gaussianRdp(
      { noiseMultiplier: 2.5, samplingRate: 0.01, steps: 50 },
      [1.5, 2.5, 5, 50, 100],
    );
    const published = [6.70579741e-4, 1.0854871e-3, 2.18075656e-3, 2.38460375e-2, 167.416308];
    for (const [i, value] of values.entries())
      expect(Math.abs(value / published[i]! - 1)).toBeLessThan(1e-8);
  });

  it('has the exact epsilon where there is no sampling', () => {
    expect(epsilonOfGaussian(1, 1e-5)).toBeCloseTo(4.3771781, 7);
    expect(epsilonOfGaussian(5, 1e-6)).toBeCloseTo(0.8341175, 7);
    expect(multiplierOfGaussian(4.3771781, 1e-5)).toBeCloseTo(1, 7);
    expect(deltaOfGaussian(1, epsilonOfGaussian(1, 1e-5))).toBeCloseTo(1e-5, 12);
  });

  it('composes several mechanisms into what one of them would be', () => {
    const parts = [
      { noiseMultiplier: 10, samplingRate: 1, steps: 50 },
      { noiseMultiplier: 20, samplingRate: 1, steps: 200 },
    ];
    const exact = epsilonOfGaussian(1, 1e-6);
    const pld = epsilonOfLoss(composeGaussians(parts), 1e-6);
    expect(pld).toBeGreaterThan(exact);
    expect(pld - exact).toBeLessThan(1e-5);
    const rdp = epsilonOfRdp(composeRdp(parts.map((part) => gaussianRdp(part))), 1e-6);
    const alone = epsilonOfRdp(
      gaussianRdp({ noiseMultiplier: 1, samplingRate: 1, steps: 1 }),
      1e-6,
    );
    expect(rdp.epsilon).toBeCloseTo(alone.epsilon, 12);
    expect(rdp.epsilon).toBeGreaterThan(exact);
  });

  it('costs nothing when nobody is sampled or no step is taken', () => {
    for (const mechanism of [
      { noiseMultiplier: 1, samplingRate: 0, steps: 10 },
      { noiseMultiplier: 1, samplingRate: 1, steps: 0 },
    ]) {
      expect(epsilonOfRdp(gaussianRdp(mechanism), 1e-6).epsilon).toBe(0);
      expect(epsilonOfLoss(composeGaussians([mechanism]), 1e-6)).toBe(0);
    }
  });

  it.each([
    { noiseMultiplier: 0, samplingRate: 0.1, steps: 1 },
    { noiseMultiplier: Number.NaN, samplingRate: 0.1, steps: 1 },
    { noiseMultiplier: 1, samplingRate: 1.1, steps: 1 },
    { noiseMultiplier: 1, samplingRate: 0.1, steps: 1.5 },
  ])('refuses %j by name', (mechanism) => {
    expect(() => gaussianRdp(mechanism)).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
    expect(() => composeGaussians([mechanism])).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });
});

describe('the Skellam mechanism', () => {
  it('has the divergence of the paper', () => {
    // a D2^2/(2 mu) + min(((2a - 1) s D2^2 + 6 D1) / (4 s^3 mu^2), 3 D1 / (2 s mu)), by hand.
    const near = skellamRdp({ variance: 50, scale: 2, l1: 3, l2: 1.5, steps: 1 }, [4]).values[0]!;
    expect(near).toBeCloseTo(0.09 + (7 * 2 * 2.25 + 18) / (4 * 8 * 2500), 12);
    const far = skellamRdp({ variance: 0.1, scale: 1, l1: 1, l2: 1, steps: 3 }, [2]).values[0]!;
    expect(far).toBeCloseTo(3 * (10 + Math.min(9 / 0.04, 15)), 9);
  });

  it('does not depend on the unit of its numbers', () => {
    const unit = skellamRdp({ variance: 4, scale: 30, l1: 5, l2: 1, steps: 7 });
    const lattice = skellamRdp({ variance: 4 * 900, l1: 150, l2: 30, steps: 7 });
    for (const [i, value] of unit.values.entries())
      expect(Math.abs(value / lattice.values[i]! - 1)).toBeLessThan(1e-12);
  });

  it('comes near to the Gaussian where the noise has many lattice points', () => {
    const [z, l2] = [2, 1e5];
    const skellam = skellamRdp({ variance: (z * l2) ** 2, l1: 447 * l2, l2, steps: 5 });
    const gaussian = gaussianRdp({ noiseMultiplier: z, samplingRate: 1, steps: 5 }, skellam.orders);
    const [a, b] = [epsilonOfRdp(skellam, 1e-6).epsilon, epsilonOfRdp(gaussian, 1e-6).epsilon];
    expect(a).toBeGreaterThanOrEqual(b);
    expect(a - b).toBeLessThan(1e-2);
  });
});

describe('special functions', () => {
  it('have their known values', () => {
    expect(erfc(0.5)).toBeCloseTo(0.4795001221869535, 15);
    expect(erfc(2) / 0.004677734981047266).toBeCloseTo(1, 13);
    expect(erfc(-1)).toBeCloseTo(1.8427007929497148, 15);
    expect(logErfc(30)).toBeCloseTo(-903.9741171106439, 9);
    expect(logGamma(10.5)).toBeCloseTo(13.940625219403763, 12);
    expect(logGamma(0.25)).toBeCloseTo(1.2880225246980774, 12);
  });

  it('join without a step where the series ends', () => {
    const [below, above] = [erfc(1.5 - 1e-12), erfc(1.5 + 1e-12)];
    expect(below / above - 1).toBeLessThan(2e-11);
    expect(below).toBeGreaterThan(above);
  });
});
