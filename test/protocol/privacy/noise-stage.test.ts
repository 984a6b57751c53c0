/**
 * @module Noise inside an encoded update: what the lanes of a sum hold, and the bounds that rest on
 * it.
 */
import { describe, expect, it } from 'vitest';
import {
  addInto,
  checkMeanNorm,
  createLanes,
  decodeSum,
  encodeBlocks,
  encodeUpdate,
  pipelineOf,
  ringLayout,
  type EncodingSpec,
  type Stage,
} from '../../../protocol/encoding/index.ts';
import { noiseOfSegments, noiseStage } from '../../../protocol/encoding/stages/noise.ts';
import { cipherStream, deriveSeed } from '../../../protocol/ports/random.ts';

const SEED = new Uint8Array(32).fill(4);
const DIMENSION = 1000;
const N = 10;
const NOISE = { multiplier: 1.5, honestSurvivors: 5 };
const spec = (noise?: EncodingSpec['noise']): EncodingSpec => ({
  ring: 'ring24',
  bits: 8,
  clipNorm: 1,
  rotation: true,
  weightCap: 1,
  noise,
});

const delta = (i: number): Float32Array =>
  Float32Array.from({ length: DIMENSION }, (_, j) => Math.sin(i + j) / 10);

const encoded = (i: number, noise?: EncodingSpec['noise'], noiseLabel = 'noise') =>
  encodeUpdate({
    delta: delta(i),
    examples: 40,
    spec: spec(noise),
    n: N,
    rotationSeed: SEED,
    random: cipherStream(deriveSeed(SEED, 'round', i)),
    noise: cipherStream(deriveSeed(SEED, noiseLabel, i)),
  });

const layout = ringLayout(spec(NOISE), N, DIMENSION);
const [segment] = layout.segments;

describe('an update with noise', () => {
  it('has lanes of the whole ring, and the q of the specification', () => {
    expect(layout).toMatchObject({ modulusBits: 24, level: 127 });
  });

  it('is the rounded update plus noise of the agreed variance', () => {
    const [noise] = noiseOfSegments(spec(NOISE), layout.segments);
    expect(Math.sqrt(noise!.variance)).toBeCloseTo(1.5 * noise!.one.l2, 6);
    // The same rounding at q = 8 in a ring of 24 bits, without noise.
    const none = encoded(1, { ...NOISE, multiplier: 1e-9 });
    const noisy = encoded(1, NOISE);
    let square = 0;
    for (let i = 0; i < segment.padded; i += 1) {
      const difference = (noisy.lanes[i]! - none.lanes[i]!) << 8;
      square += (difference >> 8) ** 2;
    }
    const expected = noise!.variance / 5;
    expect(Math.abs(square / segment.padded / expected - 1)).toBeLessThan(0.2);
  });

  it('depends on the noise seed, and on nothing else of the noise', () => {
    expect(encoded(1, NOISE).lanes).toEqual(encoded(1, NOISE).lanes);
    expect(encoded(1, NOISE).lanes).not.toEqual(encoded(1, NOISE, 'other').lanes);
  });

  it('is refused without randomness of its own', () => {
    expect(() =>
      encodeUpdate({
        delta: delta(1),
        examples: 1,
        spec: spec(NOISE),
        n: N,
        rotationSeed: SEED,
        random: cipherStream(SEED),
      }),
    ).toThrow('expected randomness for the noise');
  });

  it('tells nothing of its examples: the extra lanes are the same for all', () => {
    const clipped = encodeUpdate({
      delta: delta(1).map((value) => 1000 * value),
      examples: 100_000,
      spec: spec(NOISE),
      n: N,
      rotationSeed: SEED,
      random: cipherStream(SEED),
      noise: cipherStream(SEED),
    });
    expect(clipped.clipped).toBe(true);
    expect(clipped.lanes.slice(layout.padded)).toEqual(
      encoded(2, NOISE).lanes.slice(layout.padded),
    );
  });
});

describe('the sum of updates with noise', () => {
  const sum = createLanes(layout.lanes, 24);
  for (let i = 0; i < N; i += 1) addInto(sum, encoded(i, NOISE).lanes, 24);
  const decode = () =>
    decodeSum({
      lanes: sum,
      spec: spec(NOISE),
      n: N,
      survivors: N,
      rotationSeed: SEED,
      dimension: DIMENSION,
    });

  it('is the mean with noise of norm z C sqrt(2 d) / n', () => {
    const mean = decode().meanDelta;
    const clean = new Float64Array(DIMENSION);
    for (let i = 0; i < N; i += 1) for (const [j, v] of delta(i).entries()) clean[j]! += v / N;
    const noise = Math.hypot(...clean.map((value, j) => value - mean[j]!));
    // sqrt(2): ten add their part, and five are enough.
    const expected = (1.5 * Math.sqrt(DIMENSION) * Math.SQRT2) / N;
    expect(Math.abs(noise / expected - 1)).toBeLessThan(0.1);
  });

  it('is within the bound of the norm check, and a liar of the same sum is not', () => {
    expect(() => checkMeanNorm(sum, spec(NOISE), layout, N, N)).not.toThrow();
    const lied = sum.slice();
    for (let i = 0; i < segment.padded; i += 1) lied[i] = (lied[i]! + 6000) & 0xff_ffff;
    expect(() => checkMeanNorm(lied, spec(NOISE), layout, N, N)).toThrow(
      expect.objectContaining({ code: 'mean_out_of_range' }),
    );
  });
});

describe('a rounding that is too long', () => {
  it('is not accepted by the noise', () => {
    const [noise] = noiseOfSegments(spec(NOISE), layout.segments);
    const { participant } = noiseStage(spec(NOISE), segment, noise!, { noise: cipherStream(SEED) });
    const lanes = createLanes(segment.padded, 24);
    lanes[0] = Math.floor(noise!.one.l2);
    expect(participant.accepts?.(lanes)).toBe(true);
    lanes[1] = Math.ceil(Math.sqrt(noise!.one.l2));
    lanes[0] += 1;
    expect(participant.accepts?.(lanes)).toBe(false);
  });

  it('is repeated with fresh randomness, and refused after 64 attempts', () => {
    const { deal, quantiser, stages } = pipelineOf(spec(NOISE), layout, SEED, {
      random: cipherStream(SEED),
      noise: cipherStream(SEED),
    }).segments[0]!;
    const own = stages.slice(0, -1);
    const seen: string[] = [];
    const encode = (acceptAt: number) => {
      const picky: Stage = {
        name: 'picky',
        participant: { accepts: (lanes) => seen.push(lanes.join()) >= acceptAt },
        server: {},
      };
      const lanes = createLanes(segment.padded, 24);
      encodeBlocks({ segment, stages: [...own, picky], deal, quantiser }, delta(1), 1, lanes);
    };
    encode(3);
    expect(new Set(seen).size).toBe(3);
    expect(() => encode(1000)).toThrow('no rounding of 64');
  });
});
