/**
 * The places where a stage of the encoding plugs in, shown with three stages of the test: one that
 * notes who is called when, one that adds noise inside the ring, one that sends every second
 * coordinate.
 */
import { describe, expect, it } from 'vitest';
import {
  addInto,
  createLanes,
  decodeBlocks,
  encodeBlocks,
  laneMask,
  pipelineOf,
  ringLayout,
  type EncodingSpec,
  type Lanes,
  type SegmentPipeline,
  type Stage,
} from '../../protocol/encoding/index.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';

const SPEC: EncodingSpec = {
  ring: 'ring32',
  bits: 20,
  clipNorm: 4,
  rotation: true,
  weightCap: 10,
};
const D = 300;
const N = 4;
const SEED = new Uint8Array(32).fill(9);

const updateOf = (member: number): Float32Array =>
  Float32Array.from({ length: D }, (_, i) => Math.sin(i * (member + 1)) / 20);

/** Encodes for each member with its own stages, sums, decodes. */
const meanWith = (
  spec: EncodingSpec,
  dimension: number,
  stagesOf: (member: number, pipeline: SegmentPipeline) => readonly Stage[],
): Float32Array => {
  const layout = ringLayout(spec, N, dimension);
  const sum = createLanes(layout.lanes, layout.modulusBits);
  for (let member = 0; member < N; member += 1) {
    const random = seededRandom(deriveSeed(SEED, 'rounding', member));
    const own = pipelineOf(spec, layout, SEED, { random }).segments[0]!;
    const lanes = createLanes(layout.lanes, layout.modulusBits);
    const pipeline = { ...own, stages: stagesOf(member, own) };
    encodeBlocks(pipeline, updateOf(member), 1, lanes);
    addInto(sum, lanes, layout.modulusBits);
  }
  const server = pipelineOf(spec, layout, SEED).segments[0]!;
  return decodeBlocks({ ...server, stages: stagesOf(-1, server) }, sum, {
    survivors: N,
    weight: N * 10,
  });
};

const exact = (i: number): number =>
  Array.from({ length: N }, (_, member) => updateOf(member)[i]!).reduce((a, b) => a + b) / N;

/** Integers that depend on member and block; those of all members cancel. */
const noise = (spec: EncodingSpec, member: number, scale: number): Stage => ({
  name: 'noise',
  participant: {
    lanes: (lanes: Lanes, block) => {
      const mask = laneMask(ringLayout(spec, N, D).modulusBits);
      const sign = member % 2 === 0 ? 1 : -1;
      for (let i = 0; i < lanes.length; i += 1)
        lanes[i] = (lanes[i]! + sign * scale * ((i * 7 + block) % 11)) & mask;
    },
  },
  server: {},
});

const everySecond: Stage = {
  name: 'every second',
  participant: {
    update: (vector) => {
      const values = vector.values.filter((_, i) => i % 2 === 1);
      return { ...vector, values, norm: Math.hypot(...values) };
    },
  },
  server: {
    mean: (mean) => Float32Array.from({ length: D }, (_, i) => (i % 2 === 1 ? mean[i >> 1]! : 0)),
  },
};

describe.each([true, false])('stages of the encoding, rotated %s', (rotation) => {
  const spec = { ...SPEC, rotation };

  it('are gone through in order by the participant, and backwards by the server', () => {
    const calls: string[] = [];
    const noting = (name: string): Stage => ({
      name,
      participant: {
        update: (vector) => {
          calls.push(`${name} update`);
          return vector;
        },
        values: () => void calls.push(`${name} values`),
        lanes: () => void calls.push(`${name} lanes`),
      },
      server: {
        values: () => void calls.push(`${name} values back`),
        mean: (mean) => {
          calls.push(`${name} mean`);
          return mean;
        },
      },
    });
    const small = ringLayout(spec, N, 40);
    expect(small.blocks).toBe(1);
    const lanes = createLanes(small.lanes, small.modulusBits);
    const own = pipelineOf(spec, small, SEED, { random: seededRandom(SEED) }).segments[0]!;
    const pipeline = { ...own, stages: [noting('a'), ...own.stages, noting('b')] };
    encodeBlocks(pipeline, new Float32Array(40).fill(0.1), 1, lanes);
    decodeBlocks(pipeline, lanes, { survivors: 1, weight: 10 });
    expect(calls).toEqual(
      ['a update', 'b update', 'a values', 'b values', 'a lanes', 'b lanes'].concat([
        'b values back',
        'a values back',
        'b mean',
        'a mean',
      ]),
    );
  });

  it('take noise inside the ring: what cancels over the members leaves no bit behind', () => {
    const plain = meanWith(spec, D, (_, { stages }) => stages);
    const noisy = meanWith(spec, D, (member, { stages }) =>
      member < 0 ? stages : [...stages, noise(spec, member, 1000)],
    );
    expect(noisy).toEqual(plain);
    const left = meanWith(spec, D, (member, { stages }) =>
      member === 0 ? [...stages, noise(spec, 0, 1000)] : stages,
    );
    expect(left).not.toEqual(plain);
  });

  it('take a map of the whole update before the blocks: fewer coordinates travel', () => {
    const half = ringLayout(spec, N, D / 2);
    expect(half.byteLength).toBeLessThan(0.65 * ringLayout(spec, N, D).byteLength);
    const mean = meanWith(spec, D / 2, (_, { stages }) => [everySecond, ...stages]);
    for (let i = 0; i < D; i += 1)
      expect(mean[i]).toBeCloseTo(i % 2 === 1 ? exact(i) : 0, rotation ? 4 : 3);
  });
});
