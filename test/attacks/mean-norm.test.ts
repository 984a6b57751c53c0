/**
 * Poisoning through a masked sum: one of ten does not clip its update. No single upload can be
 * looked at, but the mean of ten updates of norm at most C has no longer norm than C and its
 * rounding (specification, step 7).
 */
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { DEFAULT_METRICS, extrasOf } from '../../protocol/algorithm/metrics.ts';
import { describe, expect, it } from 'vitest';
import { checkBlock, createFold, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import { toHex } from '../../protocol/bytes.ts';
import {
  decodeSum,
  encodeUpdate,
  laneMask,
  meanNormLimit,
  pack,
  quantisationStep,
  type Lanes,
  type RingLayout,
} from '../../protocol/encoding/index.ts';
import { blockOf } from '../../protocol/encoding/lanes.ts';
import {
  coordinatesOf,
  planRotation,
  rotateBlock,
  rotationGain,
} from '../../protocol/encoding/rotation.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cipherStream, deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { connect, createStage, DIMENSION, testIdentity, testSpec } from '../support/run.ts';

const CLIP = 4;
const rotationSeed = new Uint8Array(32).fill(3);

/** Examples that each site is announced with. */
const MEAN = 600;

const specOf = (dimension: number, encoding: Partial<RunSpec['encoding']> = {}): Promise<RunSpec> =>
  testSpec({
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [dimension], dtype: 'float32' }],
    },
    cohort: { size: 10, minimum: 3 },
    encoding: { ring: 'ring16', bits: 8, clipNorm: CLIP, weightCap: 600, ...encoding },
  });

/** Pseudo-random values of the given L2 norm. */
const vector = (dimension: number, norm: number, seed: number): Float32Array => {
  const bytes = seededRandom(new Uint8Array(32).fill(seed))(dimension);
  const raw = Float32Array.from(bytes, (byte) => byte - 127.5);
  const length = Math.hypot(...raw);
  return raw.map((value) => (value * norm) / length);
};

const honest = (spec: RunSpec, n: number, delta: Float32Array, seed: number): Lanes =>
  encodeUpdate({
    delta,
    examples: 600,
    metrics: [1, 1],
    extras: extrasOf(DEFAULT_METRICS),
    spec: spec.encoding,
    n,
    rotationSeed,
    random: seededRandom(new Uint8Array(32).fill(100 + seed)),
  }).lanes;

/** Any vector, its padding included, as it lies in the ring before rounding. */
const rotated = (x: Float64Array, { segments: [layout] }: RingLayout): Float64Array => {
  const rotation = planRotation(layout, rotationSeed);
  const out = new Float64Array(layout.padded);
  for (let block = 0; block < layout.blocks; block += 1) {
    const own = Float64Array.from(coordinatesOf(rotation, block), (i) => x[i]!);
    rotateBlock(own, rotation, block);
    out.set(own, block * layout.blockSize);
  }
  return out;
};

/** What an honest member would send, but for an update that is neither clipped nor clamped. */
const unclipped = (spec: RunSpec, n: number, delta: Float32Array): Lanes => {
  const layout: RingLayout = layoutOf(spec, n, MEAN);
  const lanes = honest(spec, n, new Float32Array(delta.length), 0);
  const x = new Float64Array(layout.padded);
  x.set(delta);
  const [segment] = layout.segments;
  const factor = 1 / (quantisationStep(spec.encoding, segment) * rotationGain(segment));
  for (const [i, value] of rotated(x, layout).entries())
    lanes[i] = Math.round(value * factor) & laneMask(layout.modulusBits);
  return lanes;
};

const finish = (spec: RunSpec, dimension: number, uploads: readonly Lanes[]) => {
  const layout = layoutOf(spec, uploads.length, MEAN);
  const fold = createFold(layout);
  for (const lanes of uploads) fold.add(pack(lanes, layout.modulusBits));
  return finishRound({
    spec,
    n: uploads.length,
    survivors: uploads.length,
    lanes: fold.lanes,
    before: { weights: new Float32Array(dimension), state: NO_STATE },
    meanExamples: MEAN,
    rotationSeed,
  });
};

const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof FloeError) return thrown.code;
    throw thrown;
  }
  return undefined;
};

describe('one liar of ten', () => {
  it.each([
    ['moves the model three times as far as ten honest participants could together', 15],
    ['puts a backdoor into the model', 11],
    ['stays a fifth above what clipping allows', 1.2 * CLIP],
  ])('%s: refused', async (_, norm) => {
    const dimension = 2000;
    const spec = await specOf(dimension);
    const liar = unclipped(spec, 10, vector(dimension, 10 * norm, 1));
    const others = Array.from({ length: 9 }, (__, i) =>
      honest(spec, 10, vector(dimension, 0.1, 2 + i), i),
    );
    expect(codeOf(() => finish(spec, dimension, [liar, ...others]))).toBe('mean_out_of_range');
    // What it could move the mean by without a lie is C / 10.
    const clipped = honest(spec, 10, vector(dimension, 10 * norm, 1), 10);
    expect(Math.hypot(...finish(spec, dimension, [clipped, ...others]).after.weights)).toBeLessThan(
      0.6,
    );
  });

  it('fills the padding, where no coordinate of the model is: refused', async () => {
    const spec = await specOf(2000);
    const layout = layoutOf(spec, 10, MEAN);
    const liar = honest(spec, 10, new Float32Array(2000), 0);
    const x = new Float64Array(layout.padded).fill(50, 2000);
    const [segment] = layout.segments;
    const factor = 1 / (quantisationStep(spec.encoding, segment) * rotationGain(segment));
    rotated(x, layout).forEach((value, i) => {
      liar[i] = Math.round(value * factor) & laneMask(layout.modulusBits);
    });
    const others = Array.from({ length: 9 }, (_, i) => honest(spec, 10, vector(2000, 1, i), i));
    expect(codeOf(() => finish(spec, 2000, [liar, ...others]))).toBe('mean_out_of_range');
  });
});

describe('honest updates', () => {
  it.each([
    // dimension, cohort, bits, examples of each, rounds
    [1, 3, 8, 600, 60],
    [20, 3, 8, 600, 60],
    [20, 10, 4, 600, 60],
    [20, 10, 8, 1, 60],
    [2000, 3, 4, 1, 20],
    [2000, 10, 4, 600, 20],
    [2000, 100, 8, 1, 3],
    [2000, 100, 8, 600, 3],
    [60_000, 10, 8, 30, 2],
    [60_000, 10, 4, 600, 2],
  ])(
    'of %i parameters by %i participants at %i bits, %i examples each: never refused, %i rounds',
    async (dimension, n, bits, examples, rounds) => {
      const spec = await specOf(dimension, { bits });
      const { encoding } = spec;
      for (let attempt = 0; attempt < rounds; attempt += 1) {
        // The longest mean there is: everybody sends the same update of more than the clip norm;
        // every third round a sparse one.
        const delta = vector(dimension, 3 * CLIP, attempt);
        if (attempt % 3 === 1) delta.fill(0).set([2 * CLIP], dimension >> 1);
        const uploads = Array.from(
          { length: n },
          (_, i) =>
            encodeUpdate({
              delta,
              examples,
              metrics: [1, 1],
              extras: extrasOf(DEFAULT_METRICS),
              spec: encoding,
              n,
              rotationSeed,
              random: cipherStream(deriveSeed(rotationSeed, attempt, i)),
            }).lanes,
        );
        expect(codeOf(() => finish(spec, dimension, uploads))).toBeUndefined();
      }
    },
  );

  it('the limit is close to the clip norm where weights are at the cap, and above it always', async () => {
    const limitOf = async (
      dimension: number,
      n: number,
      change: Partial<RunSpec['encoding']>,
      weight: number,
    ): Promise<number> => {
      const spec = await specOf(dimension, change);
      return meanNormLimit(spec.encoding, layoutOf(spec, n, MEAN).segments[0], n, weight) / CLIP;
    };
    expect(await limitOf(200_000, 10, {}, 6000)).toBeLessThan(1.001);
    expect(await limitOf(200_000, 10, { bits: 4 }, 6000)).toBeLessThan(1.02);
    expect(await limitOf(200_000, 10, {}, 600)).toBeLessThan(1.01);
    expect(await limitOf(20, 3, {}, 1800)).toBeLessThan(1.04);
    expect(await limitOf(20, 3, {}, 3)).toBeGreaterThan(1);
  });
});

describe('within the bound', () => {
  it('remains: one liar takes the example counts of the others away: their step grows, and the rounding beyond the clip norm', async () => {
    const dimension = 2000;
    const spec = await specOf(dimension);
    const layout = layoutOf(spec, 10, MEAN);
    const { padded } = layout;
    const update = vector(dimension, 0.015, 1);
    const others = Array.from({ length: 9 }, (_, i) => honest(spec, 10, update, i));
    const stepOf = (weight: number): Float32Array => {
      const liar = honest(spec, 10, new Float32Array(dimension), 9);
      // 600 examples in two limbs of eight bits: nine times that is taken away, but for `weight`.
      liar[padded] = (weight - 9 * (600 & 0xff)) & 0xfff;
      liar[padded + 1] = (-9 * (600 >> 8)) & 0xfff;
      const result = finish(spec, dimension, [liar, ...others]);
      expect(result.weight).toBe(weight);
      return result.after.weights;
    };
    // The others alone would move the model by 0.015.
    expect(Math.hypot(...stepOf(90))).toBeGreaterThan(50 * 0.015);
    // The bound: what ten participants with one example each could do.
    const most = meanNormLimit(spec.encoding, layout.segments[0], 10, 10);
    const norm = Math.hypot(...stepOf(10));
    expect(norm).toBeGreaterThan(1.5 * CLIP);
    expect(norm).toBeLessThan(most);
    expect(most).toBeLessThan(3 * CLIP);
    expect(() => stepOf(9)).toThrow('weight sum');
  });

  it('remains: a coordinator in league with a liar signs a mean that is too long, each of its blocks within its own bound', async () => {
    const dimension = 20_000;
    const spec = await specOf(dimension);
    const layout = layoutOf(spec, 10, MEAN);
    const { blocks, modulusBits } = layout;
    expect(blocks).toBeGreaterThan(3);
    const sumOf = (norm: number): Lanes => {
      const fold = createFold(layout);
      fold.add(pack(unclipped(spec, 10, vector(dimension, 10 * norm, 1)), modulusBits));
      for (let i = 0; i < 9; i += 1)
        fold.add(pack(honest(spec, 10, new Float32Array(dimension), i), modulusBits));
      return fold.lanes;
    };
    const before = { weights: new Float32Array(dimension), state: NO_STATE };
    /** The blocks at which a participant would find it. */
    const found = (lanes: Lanes): number =>
      Array.from({ length: blocks }, (_, block) => {
        const input = {
          spec: spec.encoding,
          n: 10,
          survivors: 10,
          rotationSeed,
          extras: extrasOf(DEFAULT_METRICS),
        };
        const { meanDelta: weights } = decodeSum({ ...input, lanes, dimension });
        const after = { weights, state: NO_STATE };
        const own = {
          leaves: [blockOf(lanes, layout, block)],
          extras: lanes.subarray(layout.padded),
        };
        return codeOf(() =>
          checkBlock({ ...input, meanExamples: MEAN, spec, before, after, block, ...own }),
        );
      }).filter((code) => code !== undefined).length;
    const lanes = sumOf(1.5 * CLIP);
    const input = { spec, n: 10, survivors: 10, before, meanExamples: MEAN, rotationSeed };
    expect(codeOf(() => finishRound({ ...input, lanes }))).toBe('mean_out_of_range');
    expect(found(lanes)).toBe(0);
    // The bound: the square root of three.
    expect(found(sumOf(1.9 * CLIP))).toBeGreaterThan(blocks / 2);
  });
});

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

/** Every coordinate as large as the ring takes. */
const greedy = (lanes: Lanes): void => {
  lanes.fill(2 ** 21 - 1, 0, DIMENSION);
};

describe('in a run', () => {
  const playWith = async (
    secagg: 'masked' | 'none',
    liars: (attempt: number) => readonly string[],
  ) => {
    const stage = await createStage(await testSpec({ secagg }));
    const coordinator = stage.create();
    let current = 1;
    await coordinator.start();
    const participants = await Promise.all(
      NAMES.map((name) =>
        stage.participant(name, {
          train: (model, attempt) => {
            current = attempt;
            return new Float32Array(model.length).fill(0.01);
          },
          lie: {
            lanes: (lanes) => {
              if (liars(current).includes(name)) greedy(lanes);
            },
          },
        }),
      ),
    );
    for (const participant of participants) connect(coordinator, participant);
    return { stage, coordinator };
  };

  it('masked: the attempt is aborted by name of the fault, nobody is blamed, the next attempt is committed', async () => {
    const { stage, coordinator } = await playWith('masked', (attempt) =>
      attempt === 1 ? ['berta'] : [],
    );
    const outcome = await coordinator.finished;
    expect(outcome).toMatchObject({ rounds: 1, attempts: 2 });
    const aborted = stage.progress.find((event) => event.type === 'aborted');
    expect(aborted).toMatchObject({ code: 'mean_out_of_range', culprits: [] });
    await coordinator.stop();
  });

  it('unmasked: the one upload is left out by name of the fault', async () => {
    const { stage, coordinator } = await playWith('none', () => ['berta']);
    const outcome = await coordinator.finished;
    expect(outcome).toMatchObject({ rounds: 1, attempts: 1 });
    const rejected = stage.progress.filter((event) => event.type === 'upload-rejected');
    expect(rejected).toMatchObject([
      { code: 'mean_out_of_range', member: toHex((await testIdentity('berta')).publicKey) },
    ]);
    await coordinator.stop();
  });
});
