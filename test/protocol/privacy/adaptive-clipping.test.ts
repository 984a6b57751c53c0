/**
 * @module Adaptive clipping: the sign, the fixed point, the bit in a sum, and its part of the
 * budget.
 */
import { describe, expect, it } from 'vitest';
import { epsilonOfRdp, gaussianRdp, INTEGER_ORDERS } from '../../../protocol/privacy/index.ts';
import {
  addInto,
  createLanes,
  decodeSum,
  encodeUpdate,
  ringLayout,
  type EncodingSpec,
} from '../../../protocol/encoding/index.ts';
import { bitNoiseOfSum, latticesOf } from '../../../protocol/encoding/stages/noise.ts';
import { encodingFor, sameTotals, specAt } from '../../../protocol/algorithm/round.ts';
import { makeRunSpec, type RunSpecInput } from '../../../protocol/spec/run-spec.ts';
import { cipherStream, deriveSeed } from '../../../protocol/ports/random.ts';
import { BIT_SCALE, BIT_SHARE, nextClipNorm } from '../../../protocol/privacy/adaptive-clipping.ts';
import { guaranteeOf, noiseOf } from '../../../protocol/privacy/noise.ts';

const RULE = { quantile: 0.5, rate: 0.2, floor: 1e-6, ceiling: 1e6 };

describe('the clip norm', () => {
  it('rises where all norms are far above it, and falls where all are below', () => {
    expect(nextClipNorm(1, 0, RULE)).toBeCloseTo(Math.exp(0.1), 15);
    expect(nextClipNorm(1, 1, RULE)).toBeCloseTo(Math.exp(-0.1), 15);
    expect(nextClipNorm(1, 0.5, RULE)).toBe(1);
  });

  it('finds the median of the norms from either side', () => {
    const norms = Array.from({ length: 101 }, (_, i) => 2 + i / 100);
    for (const start of [0.01, 100]) {
      let c = start;
      for (let round = 0; round < 200; round += 1)
        c = nextClipNorm(c, norms.filter((norm) => norm <= c).length / norms.length, RULE);
      expect(Math.abs(c - 2.5)).toBeLessThan(0.15);
    }
  });

  it('stays within its bounds, and moves no further for noise than for updates', () => {
    expect(nextClipNorm(1, -30, RULE)).toBe(nextClipNorm(1, 0, RULE));
    expect(nextClipNorm(1, 0, { ...RULE, ceiling: 1.05 })).toBe(1.05);
    expect(nextClipNorm(1, 1, { ...RULE, floor: 0.95 })).toBe(0.95);
    expect(() => nextClipNorm(1, Number.NaN, RULE)).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });

  it('follows the exponential over all of its range, by arithmetic alone', () => {
    for (const rate of [1e-3, 0.2, 1])
      for (const quantile of [0.1, 0.5, 1])
        for (const within of [0, 0.3, 1]) {
          const expected = Math.exp(-rate * (within - quantile));
          const found = nextClipNorm(1, within, { ...RULE, rate, quantile });
          expect(Math.abs(found / expected - 1)).toBeLessThan(4e-16);
        }
  });
});

const N = 40;
const DIMENSION = 100;
const SEED = new Uint8Array(32).fill(8);

const specOf = (clipNorm: number, noise?: EncodingSpec['noise']): EncodingSpec => ({
  ring: 'ring24',
  bits: 8,
  clipNorm,
  rotation: true,
  weightCap: 1,
  noise,
  clipping: RULE,
});

/** The sum of N updates, of which `short` have the norm 0.5 and the others 2. */
const sumOf = (spec: EncodingSpec, short: number) => {
  const layout = ringLayout(spec, N, DIMENSION);
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  for (let i = 0; i < N; i += 1) {
    const delta = new Float32Array(DIMENSION).fill((i < short ? 0.5 : 2) / Math.sqrt(DIMENSION));
    const encoded = encodeUpdate({
      delta,
      examples: 1,
      spec,
      n: N,
      rotationSeed: SEED,
      random: cipherStream(deriveSeed(SEED, 'rounding', i)),
      noise: cipherStream(deriveSeed(SEED, 'noise', i)),
    });
    addInto(lanes, encoded.lanes, layout.modulusBits);
  }
  const decode = () =>
    decodeSum({ lanes, spec, n: N, survivors: N, rotationSeed: SEED, dimension: DIMENSION });
  return { lanes, layout, decode };
};

describe('the bit in a sum', () => {
  it('says without privacy exactly how many were within the norm', () => {
    expect(sumOf(specOf(1), 10).decode()).toMatchObject({ within: 0.25, clipped: 30 });
    expect(sumOf(specOf(4), 10).decode()).toMatchObject({ within: 1, clipped: 0 });
  });

  const noise = { multiplier: 1, honestSurvivors: N };

  it('has with privacy the noise that its part of the budget gives, and counts nobody', () => {
    const spec = specOf(1, noise);
    const { decode, layout } = sumOf(spec, 10);
    const { within, clipped } = decode();
    // The share of N bits: deviation sqrt(20) / (2 N) at multiplier 1.
    const deviation =
      Math.sqrt(bitNoiseOfSum(spec, layout.segments, N).variance) / (2 * N * BIT_SCALE);
    expect(deviation).toBeCloseTo(1 / (2 * N * Math.sqrt(BIT_SHARE)), 6);
    expect(Math.abs(within! - 0.25)).toBeLessThan(5 * deviation);
    expect(within).not.toBe(0.25);
    expect(clipped).toBe(0);
  });

  it('refuses a sum that honest bits do not have: one liar cannot claim a thousand', () => {
    const { lanes, layout, decode } = sumOf(specOf(1, noise), 10);
    const flag = layout.padded + 2 * layout.weightLimbs;
    lanes[flag] = (lanes[flag]! + 2000 * BIT_SCALE) & 0xff_ffff;
    expect(decode).toThrow(expect.objectContaining({ code: 'weight_sum_out_of_range' }));
  });

  it('differs in no lane but its own between a clip norm and one a thousand times as large', () => {
    // The noise and its sensitivity are in steps of the lattice, which scales with C.
    const { segments } = ringLayout(specOf(1, noise), N, DIMENSION);
    const large = ringLayout(specOf(1024, noise), N, DIMENSION).segments;
    expect(latticesOf(specOf(1024, noise), large)).toEqual(latticesOf(specOf(1, noise), segments));
  });
});

describe('the budget', () => {
  it('of updates and bits together is that of one mechanism of the multiplier', () => {
    const fine: EncodingSpec = { ...specOf(1), ring: 'ring32', bits: 20 };
    const { segments } = ringLayout(fine, N, DIMENSION);
    const curve = guaranteeOf(noiseOf(latticesOf(fine, segments), 1.5), 10, 1e-5);
    // Andrew et al. 2021, theorem 1: z^-2 = z_update^-2 + (2 sigma_b)^-2. At a fine lattice the
    // Skellam mechanism is the Gaussian one: the reference is the accountant of that.
    const gaussian = epsilonOfRdp(
      gaussianRdp({ noiseMultiplier: 1.5, samplingRate: 1, steps: 10 }, INTEGER_ORDERS),
      1e-5,
    );
    expect(Math.abs(curve.epsilon / gaussian.epsilon - 1)).toBeLessThan(0.01);
    const [update, bit] = noiseOf(latticesOf(fine, segments), 1.5);
    const z = Math.sqrt(update!.variance) / update!.l2;
    const sigma = Math.sqrt(bit!.variance) / (2 * BIT_SCALE);
    expect(z ** -2 + (2 * sigma) ** -2).toBeCloseTo(1.5 ** -2, 10);
  });
});

describe('a specification', () => {
  const clipping = { type: 'adaptive', ...RULE, floor: 0.5, ceiling: 8 } as const;
  const made = (encoding: NonNullable<RunSpecInput['encoding']>) =>
    makeRunSpec({
      id: new Uint8Array(16),
      coordinator: new Uint8Array(32).fill(9),
      model: { architecture: 'custom', tensors: [{ name: 'w', shape: [9], dtype: 'float32' }] },
      encoding,
    });

  it.each([
    ['a norm below its floor', { clipNorm: 0.4, clipping }, 'encoding.clipping: expected a floor'],
    ['a norm above its ceiling', { clipNorm: 9, clipping }, 'encoding.clipping: expected a floor'],
    [
      'error feedback',
      { clipping, compression: { type: 'random-k', rate: 0.5, mode: 'feedback' } },
      'encoding.clipping: the residual',
    ],
  ] as const)('refuses an adaptive norm with %s', (_, encoding, words) => {
    expect(() => made(encoding)).toThrow(words);
  });

  it('gives an encoding to the attempt that names the norm, and to nothing else', () => {
    const spec = made({ clipNorm: 4, clipping });
    expect(encodingFor(specAt(spec, { clipNorm: 2 }), 5, 10)).toMatchObject({ clipNorm: 2 });
    expect(() => encodingFor(spec, 5, 10)).toThrow('expected the specification of one attempt');
    expect(() => specAt(spec, {})).toThrow(expect.objectContaining({ code: 'spec_mismatch' }));
    const fixed = made({ clipNorm: 4 });
    expect(specAt(fixed, {})).toBe(fixed);
  });

  it('has totals that differ where the share of updates within the norm does', () => {
    const totals = { weight: 1, examples: 1, meanExamples: 1, clipped: 0, metrics: [] };
    const clip = { within: 0.5, next: 1 };
    expect(sameTotals({ ...totals, clip }, { ...totals, clip })).toBe(true);
    for (const other of [{ within: 0.6, next: 1 }, { within: 0.5, next: 2 }, undefined])
      expect(sameTotals({ ...totals, clip }, { ...totals, clip: other })).toBe(false);
  });
});
