/**
 * Whole encodings: sums decode to the weighted mean within the stated error, whatever the order;
 * bad input is refused.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addInto,
  createLanes,
  decodeSum,
  encodeUpdate,
  pack,
  quantisationError,
  ringLayout,
  unpack,
  type EncodingSpec,
  type ExtraSpec,
  type Lanes,
} from '../../protocol/encoding/index.ts';
import { coordinatesOf, planRotation } from '../../protocol/encoding/rotation.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { byteStream, difference, l2, normal, uniform } from './support.ts';

const spec: EncodingSpec = {
  ring: 'ring16',
  bits: 8,
  clipNorm: 1,
  rotation: true,
  weightCap: 600,
};
const rotationSeed = Uint8Array.from({ length: 32 }, (_, i) => i * 5);
const extras: readonly ExtraSpec[] = [
  { name: 'loss', scale: 1e6 },
  { name: 'correct', scale: 1 },
];

const codeOf = (run: () => unknown): ErrorCode | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloeError) return error.code;
    throw error;
  }
  return undefined;
};

const scaledTo = (values: Float32Array, norm: number): Float32Array => {
  const factor = norm / l2(values);
  return values.map((value) => value * factor);
};

/** Standard normal values with the given L2 norm. */
const gaussian = (dimension: number, norm: number, seed: number): Float32Array => {
  const next = uniform(seed);
  return scaledTo(
    Float32Array.from({ length: dimension }, () => normal(next)),
    norm,
  );
};

interface Site {
  readonly delta: Float32Array;
  readonly examples: number;
  readonly metrics?: readonly number[];
}

const encodeAll = (
  sites: readonly Site[],
  change: Partial<EncodingSpec> = {},
  label = 'rounding',
  withExtras: readonly ExtraSpec[] = [],
): Lanes[] =>
  sites.map(
    (site, i) =>
      encodeUpdate({
        ...site,
        extras: withExtras,
        spec: { ...spec, ...change },
        n: sites.length,
        rotationSeed,
        random: byteStream(`${label} ${i}`),
      }).lanes,
  );

const sumOf = (all: readonly Lanes[], modulusBits: number): Lanes => {
  const acc = createLanes(all[0]!.length, modulusBits);
  for (const lanes of all) addInto(acc, lanes, modulusBits);
  return acc;
};

/** The largest norm that a rotation block has of an update. */
const fullestBlock = (delta: Float32Array): { norm: number; blocks: number } => {
  const [layout] = ringLayout(spec, 3, delta.length).segments;
  const rotation = planRotation(layout, rotationSeed);
  const norms = Array.from({ length: layout.blocks }, (_, block) =>
    l2(Float64Array.from(coordinatesOf(rotation, block), (i) => delta[i] ?? 0)),
  );
  return { norm: Math.max(...norms), blocks: layout.blocks };
};

/** Independent path: the weighted mean of the clipped updates in float64. */
const exactMean = (sites: readonly Site[], used: EncodingSpec): Float64Array => {
  const { clipNorm, weightCap } = used;
  const mean = new Float64Array(sites[0]!.delta.length);
  let total = 0;
  for (const { delta, examples } of sites) {
    const weight = Math.min(examples, weightCap);
    const { norm, blocks } = fullestBlock(delta);
    const inBlock =
      used.rotation && blocks > 1 ? (clipNorm * Math.sqrt(3 / blocks)) / norm : Infinity;
    const clip = Math.min(1, clipNorm / l2(delta), inBlock);
    total += weight;
    for (const [i, value] of delta.entries()) mean[i]! += weight * clip * value;
  }
  return mean.map((value) => value / total);
};

const roundTrip = (
  sites: readonly Site[],
  change: Partial<EncodingSpec> = {},
  label = 'rounding',
) => {
  const used = { ...spec, ...change };
  const n = sites.length;
  const dimension = sites[0]!.delta.length;
  const { modulusBits } = ringLayout(used, n, dimension);
  const lanes = sumOf(encodeAll(sites, change, label), modulusBits);
  const decoded = decodeSum({ lanes, spec: used, n, survivors: n, rotationSeed, dimension });
  const exact = exactMean(sites, used);
  return { decoded, exact, error: l2(difference(decoded.meanDelta, exact)) };
};

describe('sum of a cohort', () => {
  it.each([
    ['ring16, q 8', {}, 10, 3000],
    ['q 4', { bits: 4 }, 10, 3000],
    ['ring24, q 14', { ring: 'ring24', bits: 14 }, 10, 3000],
    ['ring32, q 20', { ring: 'ring32', bits: 20 }, 10, 3000],
    ['b = 32', { ring: 'ring32', bits: 20 }, 33, 70],
    ['no rotation', { rotation: false }, 10, 3000],
    ['one coordinate', {}, 5, 1],
    ['one participant', {}, 1, 500],
    ['seven blocks', {}, 4, 2700],
    ['clip norm 1e-3', { clipNorm: 1e-3 }, 10, 3000],
  ] satisfies [string, Partial<EncodingSpec>, number, number][])(
    'decodes to the weighted mean within the stated error: %s',
    (_label, change, n, dimension) => {
      const used = { ...spec, ...change };
      const sites = Array.from({ length: n }, (_, i) => ({
        delta: gaussian(dimension, used.clipNorm * (0.5 + (i % 4) * 0.25), i + 1),
        examples: 300 + (i % 3) * 200,
      }));
      const { decoded, error } = roundTrip(sites, change);
      const weights = sites.map(({ examples }) => Math.min(examples, 600));
      const total = weights.reduce((a, b) => a + b);
      expect(decoded.weight).toBe(total);
      expect(decoded.clipped).toBe(sites.filter(({ delta }) => l2(delta) > used.clipNorm).length);
      const { bound, expected } = quantisationError(used, n, dimension, total / n);
      expect(error).toBeLessThan(bound);
      if (used.rotation && dimension >= 500) expect(error).toBeGreaterThan(0.7 * expected);
    },
  );

  it('holds for generated vectors, weights and sizes', () => {
    const sites = fc.integer({ min: 1, max: 300 }).chain((dimension) =>
      fc.array(
        fc.record({
          delta: fc.float32Array({
            minLength: dimension,
            maxLength: dimension,
            noNaN: true,
            noDefaultInfinity: true,
          }),
          examples: fc.integer({ min: 300, max: 1e8 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    );
    fc.assert(
      fc.property(sites, fc.boolean(), (list, rotation) => {
        const used = { ...spec, rotation, ring: 'ring32' as const, bits: 16 };
        const { error } = roundTrip(list, used);
        const weights = list.map(({ examples }) => Math.min(examples, 600));
        const mean = weights.reduce((a, b) => a + b) / list.length;
        // The bound is on the root mean square: three times it for a single draw, in few
        // dimensions.
        const { bound } = quantisationError(used, list.length, list[0]!.delta.length, mean);
        expect(error).toBeLessThan(3 * bound);
      }),
      { numRuns: 300 },
    );
  });

  it("has the specification's error at q = 8, n = 100: about 0.7 % rotated, 13 % not", () => {
    // Updates that drift: each has norm C and shares a fifth of it with the others, in a
    // heavy-tailed direction.
    const dimension = 32_768;
    const heavy = (seed: number): Float32Array => {
      const next = uniform(seed);
      return scaledTo(
        Float32Array.from({ length: dimension }, () => normal(next) ** 7),
        1,
      );
    };
    const common = heavy(999);
    const sites = Array.from({ length: 100 }, (_, i) => {
      const own = heavy(i + 1);
      const delta = scaledTo(
        common.map((value, j) => 0.17 * value + 0.98 * own[j]!),
        1,
      );
      return { delta, examples: 600 };
    });
    const relative = (rotation: boolean): number => {
      const { error, exact } = roundTrip(sites, { rotation });
      return error / l2(exact);
    };
    const [rotated, plain] = [relative(true), relative(false)];
    expect(rotated).toBeGreaterThan(0.0055);
    expect(rotated).toBeLessThan(0.0085);
    expect(plain).toBeGreaterThan(0.1);
    expect(plain).toBeLessThan(0.16);
  });

  it.each([
    // One block for each layer would leave all energy in the last, at 5 times the scale: 20 % off.
    ['in one small layer', 2000, 0.999, 4e-3],
    ['in the biases of a last layer, far below the clip norm', 10, 0.2, 1e-3],
    ['in the biases of a last layer, at the clip norm', 10, 1, 4.2e-2],
    ['in one coordinate', 1, 1, 4.2e-2],
  ])('an update whose energy lies %s is clipped, and hardly clamped', (_, count, norm, most) => {
    const dimension = 101_000;
    expect(ringLayout(spec, 3, dimension).blocks).toBe(25);
    const delta = new Float32Array(dimension);
    delta.set(gaussian(count, norm, 3), dimension - count);
    const sites = [1, 2, 3].map(() => ({ delta, examples: 600 }));
    // At 16 bits what remains is the clamp.
    const { error, exact, decoded } = roundTrip(sites, { ring: 'ring32', bits: 16 });
    expect(error / l2(exact)).toBeLessThan(most);
    expect(roundTrip(sites).error).toBeLessThan(quantisationError(spec, 3, dimension).bound);
    // Shortened, and said so, only where the energy is in too few coordinates.
    const even = Math.sqrt(3 / 25) / fullestBlock(delta).norm;
    expect(decoded.clipped).toBe(even < 1 ? 3 : 0);
    expect(l2(exact)).toBeCloseTo(Math.min(norm, even * norm), 3);
  });

  it('does not depend on the order of arrival, and packing loses nothing', () => {
    const sites = Array.from({ length: 9 }, (_, i) => ({
      delta: gaussian(700, 1, i + 1),
      examples: 1 + i * 50,
      metrics: [i / 7, i],
    }));
    const { modulusBits, lanes: count } = ringLayout(spec, 9, 700, extras);
    const all = encodeAll(sites, {}, 'order', extras);
    const want = sumOf(all, modulusBits);
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 9 }), (shuffled) => {
        const packed = shuffled.map((lanes) => pack(lanes, modulusBits));
        const got = packed.map((bytes) => unpack(bytes, modulusBits, count));
        expect(sumOf(got, modulusBits)).toEqual(want);
      }),
      { numRuns: 20 },
    );
  });

  it('adds up weights, clip bits and metrics exactly', () => {
    const sites = Array.from({ length: 100 }, (_, i) => ({
      delta: gaussian(40, i % 3 === 0 ? 2 : 0.5, i + 1),
      examples: i === 0 ? 1e8 : 600 - i,
      metrics: [i * 10_000.25, i === 7 ? 2 ** 40 - 1 : i],
    }));
    const lanes = sumOf(encodeAll(sites, {}, 'extras', extras), 15);
    const decoded = decodeSum({
      lanes,
      spec,
      n: 100,
      survivors: 100,
      rotationSeed,
      dimension: 40,
      extras,
    });
    expect(decoded.weight).toBe(600 + (99 * 600 - 4950));
    expect(decoded.clipped).toBe(34);
    expect(decoded.metrics).toEqual([4950 * 10_000.25, 4950 - 7 + 2 ** 40 - 1]);
  });

  it('rounds without bias', () => {
    // 400 independent roundings of one update: the average approaches it as 1 / sqrt(400).
    const delta = gaussian(256, 0.9, 5);
    for (const rotation of [true, false]) {
      const mean = new Float64Array(256);
      let single = 0;
      const draws = 400;
      for (let draw = 0; draw < draws; draw += 1) {
        const { decoded, error } = roundTrip(
          [{ delta, examples: 600 }],
          { rotation, bits: 4 },
          `draw ${draw}`,
        );
        single += error / draws;
        for (const [i, value] of decoded.meanDelta.entries()) mean[i]! += value / draws;
      }
      const remaining = l2(difference(mean, delta));
      expect(remaining).toBeLessThan((1.35 * single) / Math.sqrt(draws));
      expect(remaining).toBeGreaterThan((0.65 * single) / Math.sqrt(draws));
    }
  });

  it('gives these bits on every machine', () => {
    // Pinned: a change here changes the protocol.
    const sites = [1, 2, 3, 4, 5].map((i) => ({
      delta: gaussian(5000, i / 3, i),
      examples: 100 * i,
      metrics: [i / 3, i],
    }));
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    const { modulusBits } = ringLayout(spec, 5, 5000, extras);
    const lanes = sumOf(encodeAll(sites, {}, 'pinned', extras), modulusBits);
    const { meanDelta } = decodeSum({
      lanes,
      spec,
      n: 5,
      survivors: 5,
      rotationSeed,
      dimension: 5000,
      extras,
    });
    expect(digest(pack(lanes, modulusBits))).toMatchInlineSnapshot(
      `"f4dd7ed1d9f0192548f719e56bc8c96a465e9f6d23c6a82d93ac17751550dd9f"`,
    );
    expect(digest(new Uint8Array(meanDelta.buffer))).toMatchInlineSnapshot(
      `"b787da895cdca5fab764533571141f6e1a0bfc0fe73455ad3f69fac417af506f"`,
    );
  });
});

describe('refusals', () => {
  const encode = (change: Partial<Parameters<typeof encodeUpdate>[0]>): unknown =>
    encodeUpdate({
      delta: Float32Array.of(0.1, 0.2, 0.3),
      examples: 10,
      metrics: [1, 2],
      extras,
      spec,
      n: 10,
      rotationSeed,
      random: byteStream('refusals'),
      ...change,
    });

  it.each([Number.NaN, Infinity, -Infinity])('names the index of %s', (value) => {
    const delta = Float32Array.of(0, 1e38, value, Number.NaN);
    expect(() => encode({ delta })).toThrow(/index 2/);
    expect(codeOf(() => encode({ delta }))).toBe('update_not_finite');
  });

  it('clips the largest finite values', () => {
    const delta = Float32Array.of(3.4e38, -3.4e38, 3.4e38);
    expect(encode({ delta })).toMatchObject({ clipped: true });
  });

  it.each([0, -1, 1.5, 1e9, Number.NaN, Infinity])('refuses %s examples', (examples) => {
    expect(codeOf(() => encode({ examples }))).toBe('weight_out_of_range');
  });

  it.each([-1e-9, Number.NaN, Infinity, 2 ** 40, -Infinity])('refuses a metric of %s', (value) => {
    expect(codeOf(() => encode({ metrics: [1, value] }))).toBe('metric_out_of_range');
    expect(() => encode({ metrics: [1, value] })).toThrow(/correct/);
  });

  it('refuses another number of metrics', () => {
    expect(codeOf(() => encode({ metrics: [1] }))).toBe('metric_out_of_range');
    expect(codeOf(() => encode({ metrics: [1, 2, 3] }))).toBe('metric_out_of_range');
  });

  it('refuses a seed or a byte source of the wrong length', () => {
    expect(codeOf(() => encode({ rotationSeed: new Uint8Array(31) }))).toBe('spec_invalid');
    expect(codeOf(() => encode({ random: () => new Uint8Array(1) }))).toBe('internal');
  });

  it.each([
    [{ bits: 3 }],
    [{ bits: 15 }],
    [{ bits: 7.5 }],
    [{ clipNorm: 0 }],
    [{ clipNorm: Number.NaN }],
    [{ clipNorm: Infinity }],
    [{ weightCap: 0 }],
    [{ weightCap: 1e9 }],
    [{ ring: 'ring64' as 'ring32' }],
  ])('refuses the specification %j', (change) => {
    expect(codeOf(() => ringLayout({ ...spec, ...change }, 10, 10))).toBe('spec_invalid');
  });

  it('refuses a ring too small for the cohort', () => {
    expect(ringLayout(spec, 256, 10).modulusBits).toBe(16);
    expect(codeOf(() => ringLayout(spec, 257, 10))).toBe('encoding_overflow');
    const wide = { ...spec, ring: 'ring32' as const, bits: 20 };
    expect(ringLayout(wide, 4096, 10).modulusBits).toBe(32);
    expect(codeOf(() => ringLayout(wide, 4097, 10))).toBe('encoding_overflow');
    expect(codeOf(() => ringLayout(wide, 0, 10))).toBe('encoding_overflow');
    expect(codeOf(() => ringLayout(spec, 10, 0))).toBe('spec_invalid');
    expect(codeOf(() => ringLayout(spec, 10, 1.5))).toBe('spec_invalid');
  });

  describe('a sum no honest cohort can have', () => {
    const sites = [1, 2, 3, 4].map((i) => ({
      delta: gaussian(50, 1, i),
      examples: 600,
      metrics: [1, 2],
    }));
    const layout = ringLayout(spec, 4, 50, extras);
    const decode = (change: (lanes: Lanes) => void, survivors = 4): unknown => {
      const lanes = sumOf(encodeAll(sites, {}, 'lies', extras), layout.modulusBits);
      change(lanes);
      return decodeSum({ lanes, spec, n: 4, survivors, rotationSeed, dimension: 50, extras });
    };
    const weightAt = layout.padded;

    it.each<[string, (lanes: Lanes) => void, number?]>([
      ['one over the cap', (lanes) => (lanes[weightAt]! += 1)],
      ['weight below one each', (lanes) => lanes.fill(0, weightAt, weightAt + 2)],
      ['weights of four for three', () => undefined, 3],
      ['more clipped than survive', (lanes) => (lanes[weightAt + 2] = 5)],
      ['a limb that wrapped', (lanes) => (lanes[weightAt + 3] = 1023)],
      ['no survivors', () => undefined, 0],
      ['more survivors than the cohort', () => undefined, 5],
      ['half a survivor', () => undefined, 3.5],
    ])('%s', (_label, change, survivors) => {
      expect(codeOf(() => decode(change, survivors))).toBe('weight_sum_out_of_range');
    });

    it('a vector of another length or type', () => {
      const decodeLanes = (lanes: Lanes): unknown =>
        decodeSum({ lanes, spec, n: 4, survivors: 4, rotationSeed, dimension: 50, extras });
      expect(codeOf(() => decodeLanes(new Uint16Array(layout.lanes - 1)))).toBe('upload_mismatch');
      expect(codeOf(() => decodeLanes(new Uint32Array(layout.lanes)))).toBe('upload_mismatch');
    });

    it('accepts the untouched sum', () => {
      expect(codeOf(() => decode(() => undefined))).toBeUndefined();
    });
  });
});
