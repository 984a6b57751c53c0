/**
 * The scale of the weighted share follows the sizes of the sites: the error of the mean does not
 * depend on how many examples they have, at default settings; and a site that lies about its size
 * wraps nothing.
 */
import { describe, expect, it } from 'vitest';
import {
  addInto,
  createLanes,
  decodeSum,
  encodeUpdate,
  encodingOf,
  expectedError,
  FIRST_MEAN_EXAMPLES,
  ringLayout,
  weightScale,
  type EncodingSpec,
} from '../../protocol/encoding/index.ts';
import { SPEC_DEFAULTS } from '../../protocol/spec/run-spec.ts';
import { byteStream, difference, l2, normal, uniform } from './support.ts';

const SPEC: EncodingSpec = SPEC_DEFAULTS.encoding;
const D = 20_000;
/** Updates of a quarter of the clip norm, as local training gives them. */
const NORM = 1;
const rotationSeed = new Uint8Array(32).fill(7);

const updateOf = (site: number): Float32Array => {
  const next = uniform(site + 1);
  const raw = Float32Array.from({ length: D }, () => normal(next));
  const factor = NORM / l2(raw);
  return raw.map((value) => value * factor);
};

interface Outcome {
  readonly error: number;
  readonly mean: number;
  readonly weight: number;
}

/** One round of the encoding. @param mean what the last commit announced */
const attempt = (sizes: readonly number[], mean: number, label: string, dimension = D): Outcome => {
  const n = sizes.length;
  const spec = encodingOf(SPEC, n, mean, dimension);
  const layout = ringLayout(spec, n, D);
  const sum = createLanes(layout.lanes, layout.modulusBits);
  const exact = new Float64Array(D);
  let total = 0;
  for (const [site, examples] of sizes.entries()) {
    const delta = updateOf(site);
    const random = byteStream(`${label} ${site}`);
    const { lanes } = encodeUpdate({ delta, examples, spec, n, rotationSeed, random });
    addInto(sum, lanes, layout.modulusBits);
    // The independent path: FedAvg's weights up to the cap, in float64, whatever the scale is.
    const weight = Math.min(examples, spec.weightCap);
    total += weight;
    for (let i = 0; i < D; i += 1) exact[i] = exact[i]! + weight * delta[i]!;
  }
  const decoded = decodeSum({ lanes: sum, spec, n, survivors: n, rotationSeed, dimension: D });
  const wanted = exact.map((value) => value / total);
  return {
    error: l2(difference(decoded.meanDelta, wanted)) / l2(wanted),
    mean: Math.ceil(decoded.examples / n),
    weight: decoded.weight,
  };
};

const ten = (...sizes: readonly number[]): number[] =>
  Array.from({ length: 10 }, (_, i) => sizes[i % sizes.length]!);

describe('relative error of the mean at default settings', () => {
  it.each([
    ['three of 5', [5, 5, 5]],
    ['three of 60', [60, 60, 60]],
    ['three of 1000', [1000, 1000, 1000]],
    ['5, 60 and 1000', [5, 60, 1000]],
    ['50, 500 and 20,000', [50, 500, 20_000]],
    ['ten of 5', ten(5)],
    ['ten of 60', ten(60)],
    ['ten of 1000', ten(1000)],
    ['ten of 5, 60 and 1000', ten(5, 60, 1000)],
    ['ten of 50, 500 and 20,000', ten(50, 500, 20_000)],
    ['ten of 5 beside one of 1000', [...ten(5), 1000]],
    ['thirty of 5 beside one of 1000', [...ten(5), ...ten(5), ...ten(5), 1000]],
  ])('%s: below 0.05 of an update once sizes were announced', (label, sizes) => {
    const first = attempt(sizes, FIRST_MEAN_EXAMPLES, label);
    const second = attempt(sizes, first.mean, `${label} again`);
    // In units of an update: the mean of ten independent ones is shorter than each.
    const capped = sizes.map((size) => Math.min(size, SPEC.weightCap));
    const total = capped.reduce((a, b) => a + b);
    const length = Math.hypot(...capped.map((weight) => weight / total)) * NORM;
    expect(second.error * length).toBeLessThan(0.05);
    // And as the settings say.
    const expected = 4 * expectedError(SPEC, sizes.length, D, total / sizes.length);
    expect(second.error * length).toBeLessThan(1.1 * expected);
    // Nobody is clipped: what counts is what is there, up to the cap.
    expect(second.weight).toBe(total);
  });
});

describe('the bits of a lane', () => {
  const bits = (n: number, mean: number, dimension = D, spec = SPEC): number =>
    ringLayout(encodingOf(spec, n, mean, dimension), n, dimension).modulusBits;

  it('are those that the cohort needs where no site can be far above the mean, else more', () => {
    expect(bits(10, 600)).toBe(12);
    expect(bits(10, 1000)).toBe(12);
    expect(bits(11, 96)).toBe(14);
    expect(bits(10, 60)).toBe(14);
    expect(bits(3, 60)).toBe(12);
    // As far as the ring has room.
    expect(bits(100, 60)).toBe(16);
    for (const n of [3, 10, 50, 100])
      for (const mean of [1, 5, 60, 300, 1000])
        expect(bits(n, mean)).toBeGreaterThanOrEqual(bits(n, mean + 1));
  });

  it('are all of the ring for a small model, and those of a given q stay', () => {
    expect(bits(10, 600, 2 ** 14)).toBe(16);
    expect(bits(10, 600, 2 ** 14 + 1)).toBe(12);
    expect(bits(10, 60, 500, { ...SPEC, bits: 8 })).toBe(12);
    expect(bits(10, 60, D, { ...SPEC, ring: 'ring24' })).toBe(24);
  });

  it('give a small model an error that does not show', () => {
    const sizes = [5, 60, 1000];
    const first = attempt(sizes, FIRST_MEAN_EXAMPLES, 'small', 500);
    expect(attempt(sizes, first.mean, 'small again', 500).error).toBeLessThan(0.003);
  });

  it('are the fewest at which no site is cut: one bit less and the error is above 1 %', () => {
    const sizes = [...ten(5), 1000];
    const first = attempt(sizes, FIRST_MEAN_EXAMPLES, 'dominant');
    const second = attempt(sizes, first.mean, 'dominant again');
    expect(second.error).toBeLessThan(0.05);
    // In the lanes that the cohort needs at least, the large site counted as 3.4 means.
    const least = { ...SPEC, modulusBits: 12 };
    expect(weightScale(least, 11, first.mean)).toBeLessThan(350);
  });
});

describe('the scale', () => {
  it('is an integer from 1 to the cap, and at least twice the mean', () => {
    for (const n of [3, 10, 100, 250])
      for (const mean of [1, 5, 60, 999, 1000]) {
        const scale = weightScale(SPEC, n, mean);
        expect(Number.isInteger(scale)).toBe(true);
        expect(scale).toBeGreaterThanOrEqual(Math.min(SPEC.weightCap, 2 * mean));
        expect(scale).toBeLessThanOrEqual(SPEC.weightCap);
      }
  });

  it('n updates at the largest integer do not wrap, for any cohort and ring', () => {
    for (const ring of ['ring16', 'ring24', 'ring32'] as const)
      for (let n = 1; n <= 250; n += 1) {
        const { level, modulusBits, limbBits } = ringLayout({ ...SPEC, ring }, n, 1);
        expect(n * level).toBeLessThan(2 ** (modulusBits - 1));
        expect(n * (2 ** limbBits - 1)).toBeLessThan(2 ** modulusBits);
      }
  });

  it('of a site that claims the cap costs precision, and no more: the sum does not wrap', () => {
    const sizes = [...ten(5).slice(1), 1_000_000];
    const first = attempt(sizes, FIRST_MEAN_EXAMPLES, 'liar');
    const second = attempt(sizes, first.mean, 'liar again');
    // (9 * 5 + 1000) / 10, however much more it claims; it counts as the cap.
    expect(first.mean).toBe(105);
    expect(second.weight).toBe(9 * 5 + SPEC.weightCap);
  });
});
