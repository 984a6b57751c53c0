/**
 * @module Correlated noise inside encoded updates: the lanes of all rounds are the mechanism, bit
 * for bit, and the noise of a prefix of rounds is what the plan says.
 */
import { describe, expect, it } from 'vitest';
import {
  addInto,
  checkMeanNorm,
  createLanes,
  encodeUpdate,
  meanNormLimit,
  ringLayout,
  type EncodingSpec,
} from '../../../protocol/encoding/index.ts';
import { noiseOfSegments, noiseOfSum } from '../../../protocol/encoding/stages/noise.ts';
import { cipherStream, deriveSeed } from '../../../protocol/ports/random.ts';
import { bandedInverse } from '../../../protocol/privacy/banded-inverse.ts';
import { noiseOfPrefix } from '../../../protocol/privacy/correlated.ts';
import { skellamSampler } from '../../../protocol/privacy/skellam.ts';

const SEED = new Uint8Array(32).fill(6);
const [DIMENSION, N, ROUNDS, BANDS] = [1000, 6, 12, 3];
const HONEST = 4;
const spec: EncodingSpec = {
  ring: 'ring32',
  bits: 10,
  clipNorm: 1,
  rotation: true,
  weightCap: 1,
  noise: {
    multiplier: 1,
    honestSurvivors: HONEST,
    correlated: { bands: BANDS, rounds: ROUNDS },
  },
};
const layout = ringLayout(spec, N, DIMENSION);
const [segment] = layout.segments;
const [found] = noiseOfSegments(spec, layout.segments);
const draws = found!.draws!;

const zero = new Float32Array(DIMENSION);
const seedOf = (i: number, round: number) => deriveSeed(SEED, 'stream', i, round);
const streams = (i: number, round: number) =>
  Array.from({ length: Math.min(BANDS, round) }, (_, k) => cipherStream(seedOf(i, round - k)));
const encoded = (i: number, round: number, delta = zero, own = streams(i, round)) =>
  encodeUpdate({
    delta,
    examples: 1,
    spec,
    n: N,
    rotationSeed: SEED,
    random: cipherStream(deriveSeed(SEED, 'round', i, round)),
    noise: cipherStream(deriveSeed(SEED, 'own', i, round)),
    streams: own,
  }).lanes;

const drawn = (variance: number, seed: Uint8Array): Int32Array => {
  const out = new Int32Array(segment.padded);
  const random = cipherStream(seed);
  const sampler = skellamSampler(variance / HONEST);
  for (let block = 0; block < segment.blocks; block += 1)
    sampler.draw(out.subarray(block * segment.blockSize, (block + 1) * segment.blockSize), random);
  return out;
};

describe('the lanes of an update with correlated noise', () => {
  it('are E (D q) + v, whole numbers with nothing rounded', () => {
    const { bands } = bandedInverse(BANDS);
    for (const round of [1, 2, 3, 7]) {
      const q = Array.from({ length: Math.min(BANDS, round) }, (_, k) =>
        drawn(draws.shared, seedOf(2, round - k)),
      );
      const v = drawn(draws.rest, deriveSeed(SEED, 'own', 2, round));
      const expected = Uint32Array.from(
        { length: segment.padded },
        (_, j) => q.reduce((sum, part, k) => sum + bands[k]! * part[j]!, v[j]!) >>> 0,
      );
      expect(encoded(2, round).slice(0, segment.padded)).toEqual(expected);
    }
  });

  it('need the streams of their round, and no others', () => {
    expect(() => encoded(1, 4, zero, [])).toThrow('streams of noise');
    expect(() => encoded(1, 4, zero, [...streams(1, 4), cipherStream(SEED)])).toThrow('streams');
  });
});

describe('the sums of rounds', () => {
  const sumOf = (round: number): Uint32Array => {
    const sum = createLanes(layout.lanes, 32);
    for (let i = 0; i < N; i += 1) addInto(sum, encoded(i, round), 32);
    return sum as Uint32Array;
  };
  const sums = Array.from({ length: ROUNDS }, (_, t) => sumOf(t + 1));
  const energy = (lanes: ArrayLike<number>): number =>
    Array.from({ length: segment.padded }, (_, j) => (lanes[j]! | 0) ** 2).reduce((a, b) => a + b);

  it('have the variance of one round', () => {
    const { variance, step } = noiseOfSum(spec, layout.segments, segment, N);
    expect(step).toBe(8);
    const mean = energy(sums[ROUNDS - 1]!) / segment.padded;
    expect(Math.abs(mean / variance - 1)).toBeLessThan(0.15);
  });

  it('cancel: the sum of all rounds has the noise of a prefix', () => {
    const whole = new Int32Array(segment.padded);
    for (const sum of sums) for (let j = 0; j < whole.length; j += 1) whole[j]! += sum[j]! | 0;
    const expected = (noiseOfPrefix(draws, BANDS, ROUNDS) * N) / HONEST;
    expect(Math.abs(energy(whole) / segment.padded / expected - 1)).toBeLessThan(0.15);
    // Independent rounds of the same noise would add up to more than twice as much.
    const independent = (ROUNDS * found!.variance * N) / HONEST;
    expect(expected).toBeLessThan(independent / 2);
  });

  it('are within the norm check, and a liar of the same sum is not', () => {
    const sum = sums[5]!;
    expect(() => checkMeanNorm(sum, spec, layout, N, N)).not.toThrow();
    const noise = noiseOfSum(spec, layout.segments, segment, N);
    expect(meanNormLimit(spec, segment, N, N, noise)).toBeGreaterThan(
      meanNormLimit(spec, segment, N, N, { ...noise, step: 1 }),
    );
    const lied = sum.slice();
    const much = Math.ceil(Math.sqrt(noise.variance));
    for (let j = 0; j < segment.padded; j += 1) lied[j] = lied[j]! + much;
    expect(() => checkMeanNorm(lied, spec, layout, N, N)).toThrow(
      expect.objectContaining({ code: 'mean_out_of_range' }),
    );
  });
});
