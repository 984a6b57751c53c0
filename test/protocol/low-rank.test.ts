/**
 * Low-rank updates under masks: the product with R and its transpose are adjoint, R has orthonormal
 * rows, and the mean is right on average with the error that is printed; blocks are checked alone;
 * a run is the same masked and unmasked, verifies, and not at another rank.
 */
import { describe, expect, it } from 'vitest';
import { journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import { encodeTrained, type MemberRound } from '../../client/participant/host/encode-trained.ts';
import { registerStrategy, strategyOf } from '../../protocol/algorithm/registry.ts';
import {
  blocksOf,
  checkBlock,
  createFold,
  encodingFor,
  extrasFor,
  finishRound,
  layoutOf,
  leavesOfCheck,
  segmentsFor,
} from '../../protocol/algorithm/round.ts';
import { trainableOf } from '../../protocol/algorithm/segments.ts';
import { initialState } from '../../protocol/algorithm/state.ts';
import { toHex } from '../../protocol/bytes.ts';
import { compressionError } from '../../protocol/encoding/compression.ts';
import { decodeSum, describeError, encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { blockOf } from '../../protocol/encoding/lanes.ts';
import { createProjector, planSketch } from '../../protocol/encoding/low-rank.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { atOnce } from '../../protocol/steps.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testSpec, type Stage } from '../support/run.ts';
import { squaresStrategy } from '../support/squares.ts';
import { l2, normal, uniform } from './support.ts';

const seedOf = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const numbers = (label: number, size: number, norm: number): Float32Array => {
  const next = uniform(label);
  const values = Float32Array.from({ length: size }, () => normal(next));
  const factor = norm / l2(values);
  return values.map((value) => value * factor);
};
const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** A tall, a wide, a small matrix, a convolution, vectors between them. */
const SHAPES = [[90, 70], [10], [6, 100], [3, 3], [3, 3, 4, 5], [5]] as const;
const SIZE = 6300 + 10 + 600 + 9 + 180 + 5;
const RANK = 8;
const sketch = planSketch(SHAPES, RANK);
const tensors = [
  { name: 'frozen', shape: [50], dtype: 'float32' as const, role: 'frozen' as const },
  ...SHAPES.map((shape, i) => ({ name: `t${i}`, shape: [...shape], dtype: 'float32' as const })),
];
const LOW_RANK = { type: 'low-rank', rank: RANK, mode: 'unbiased' } as const;
const encoding = { ring: 'ring32', clipNorm: 1, weightCap: 10, compression: LOW_RANK } as const;
const specOf = (over: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
  testSpec({ model: { architecture: 'custom', tensors }, metrics: [], encoding, ...over });

describe('the sketch of an update', () => {
  it('multiplies each matrix from its longer side, and leaves the rest whole', () => {
    expect(sketch.matrices.map(({ vectors, length, padded }) => [vectors, length, padded])).toEqual(
      [
        [70, 90, 128],
        [6, 100, 128],
        [5, 36, 64],
      ],
    );
    expect(sketch.whole).toEqual([
      { start: 6300, end: 6310 },
      { start: 6910, end: 6919 },
      { start: 7099, end: 7104 },
    ]);
    expect([sketch.matrixUnits, sketch.units]).toEqual([81, 84]);
  });

  it('is linear, its two directions are adjoint, and R has orthonormal rows', () => {
    const { project, expand } = createProjector(sketch, seedOf(1));
    const [x, y] = [numbers(1, SIZE, 1), numbers(2, SIZE, 1)];
    const u = numbers(3, 84 * RANK, 1);
    expect(dot(project(x, false), u)).toBeCloseTo(dot(x, expand(u, SIZE)), 6);
    const sum = project(
      x.map((value, i) => value + y[i]!),
      false,
    );
    const parts = project(x, false).map((value, i) => value + project(y, false)[i]!);
    expect(l2(sum.map((value, i) => value - parts[i]!))).toBeLessThan(1e-6);
    // Of a vector that fills its power of two nothing is padded: R R^T = 1.
    const square = planSketch([[64, 3]], RANK);
    const full = createProjector(square, seedOf(1));
    const sent = numbers(4, 3 * RANK, 1);
    const again = full.project(full.expand(sent, 192), false);
    expect(l2(again.map((value, i) => value - sent[i]!))).toBeLessThan(1e-6);
    // What comes back of a matrix has the rank of R, and a vector alone is not disturbed.
    const one = new Float32Array(SIZE);
    one[6305] = 2;
    expect(expand(project(one, true), SIZE).map((value) => value + 0)).toEqual(one);
    expect(createProjector(sketch, seedOf(2)).project(x, false)).not.toEqual(project(x, false));
  });

  it.each(['unbiased', 'feedback'] as const)(
    '%s: has the error that is printed, and unbiased is right on average',
    async (mode) => {
      const x = numbers(7, SIZE, 1);
      const isUnbiased = mode === 'unbiased';
      const rounds = 600;
      const sum = new Float64Array(SIZE);
      let error = 0;
      for (let r = 0; r < rounds; r += 1) {
        const seed = seedOf(r % 256).fill(r >> 8, 16);
        const { project, expand } = createProjector(sketch, seed);
        const back = expand(project(x, isUnbiased), SIZE);
        error += l2(back.map((value, i) => value - x[i]!)) ** 2 / rounds;
        for (let i = 0; i < SIZE; i += 1) sum[i]! += back[i]! / rounds;
      }
      const compression = { ...LOW_RANK, mode };
      const printed = compressionError({ compression, shapes: SHAPES }, SIZE);
      expect(Math.sqrt(error)).toBeGreaterThan(0.95 * printed);
      expect(Math.sqrt(error)).toBeLessThan(1.05 * printed);
      const bias = l2(Float32Array.from(sum, (value, i) => value - x[i]!));
      if (isUnbiased) expect(bias).toBeLessThan((1.3 * printed) / Math.sqrt(rounds));
      else expect(printed).toBeLessThan(1);
      const shaped = { ...encoding, rotation: true, compression, shapes: SHAPES };
      expect(describeError(shaped, 4, SIZE, 10)).toContain('low-rank: 672 numbers for 7104');
    },
  );

  it('makes an upload of the 2NN at rank 32 at least 20 times smaller than float32', async () => {
    const sizes = [[784, 200], [200], [200, 200], [200], [200, 10], [10]];
    const run = await testSpec({
      model: {
        architecture: 'custom',
        tensors: sizes.map((shape, i) => ({ name: `t${i}`, shape, dtype: 'float32' })),
      },
      cohort: { size: 10 },
      encoding: { ...encoding, ring: 'ring16', compression: { ...LOW_RANK, rank: 32 } },
    });
    expect((4 * 199_210) / layoutOf(run, 10, 600).byteLength).toBeGreaterThan(20);
  });
});

/** Adds up the mean of the squares of updates, which travel beside them. */
const squares = squaresStrategy({ name: 'squares-of-rank', moves: true });

describe('the check of one block', () => {
  it.each([true, false])(
    'accepts the step, and finds another in the blocks of that vector: rotation %s',
    async (rotation) => {
      registerStrategy(squares, seedOf(2));
      const run = await specOf({
        encoding: { ...encoding, rotation },
        strategy: { name: squares.name },
      });
      const [n, meanExamples, rotationSeed] = [3, 10, seedOf(6)];
      const layout = layoutOf(run, n, meanExamples);
      const fold = createFold(layout);
      for (let site = 0; site < n; site += 1) {
        const delta = numbers(site + 1, SIZE, 0.5);
        const { lanes } = encodeUpdate({
          delta,
          segments: segmentsFor(run),
          others: [delta.map((value) => value * value)],
          examples: 10,
          extras: extrasFor(run),
          spec: encodingFor(run, n, meanExamples),
          n,
          rotationSeed,
          random: seededRandom(seedOf(site)),
        });
        fold.add(pack(lanes, layout.modulusBits));
      }
      const weights = numbers(77, SIZE + 50, 1);
      const before = { weights, state: initialState(strategyOf(run), trainableOf(run)) };
      const of = { spec: run, n, survivors: n, before, meanExamples, rotationSeed };
      const { after } = finishRound({ ...of, lanes: fold.lanes });
      const blocks = blocksOf(run);
      expect(blocks).toBeGreaterThan(1);
      const found = (changed: Float32Array, state = after.state): number[] =>
        Array.from({ length: blocks }, (_, block) => {
          const leaves = leavesOfCheck(layout, block).map((leaf) =>
            blockOf(fold.lanes, layout, leaf),
          );
          const extras = fold.lanes.subarray(layout.padded);
          return checkBlock({ ...of, block, leaves, extras, after: { weights: changed, state } })
            .differs;
        });
      expect(found(after.weights)).toEqual(Array(blocks).fill(-1));
      for (const at of [0, 300, 6305, 6500, 6915, 7000, SIZE - 1]) {
        const changed = after.weights.slice();
        changed[50 + at] = changed[50 + at]! + 1e-3;
        expect(found(changed).filter((i) => i !== -1)).toEqual([50 + at]);
        const state = after.state.slice();
        state[at] = state[at]! + 1e-3;
        expect(found(after.weights, state).filter((i) => i !== -1)).toEqual([50 + at]);
      }
    },
  );
});

describe('error feedback', () => {
  it('loses nothing over rounds, and what is left stays bounded', async () => {
    const compression = { ...LOW_RANK, mode: 'feedback' } as const;
    const spec = await specOf({ encoding: { ...encoding, compression } });
    const flat = SIZE + 50;
    let residual: Float32Array = new Float32Array(SIZE);
    const missing = new Float64Array(SIZE);
    for (let round = 1; round <= 12; round += 1) {
      const delta = numbers(round, flat, 0.4);
      const trained = { weights: delta, examples: 10, lossSum: 0, correct: 0 };
      const member: MemberRound = { state: [], kept: [], learningRate: 1, residual };
      const rotationSeed = seedOf(round);
      const random = seededRandom(seedOf(round));
      const attempt = { n: 4, meanExamples: 10, rotationSeed, random };
      const before = new Float32Array(flat);
      const made = atOnce(encodeTrained(spec, trained, before, member, attempt));
      expect(made.clipped).toBe(false);
      const { meanDelta } = decodeSum({
        lanes: made.lanes,
        spec: encodingFor(spec, 4, 10),
        n: 4,
        survivors: 1,
        rotationSeed,
        dimension: segmentsFor(spec),
        extras: extrasFor(spec),
      });
      for (let i = 0; i < SIZE; i += 1) missing[i]! += delta[50 + i]! - meanDelta[i]!;
      residual = made.left!;
    }
    expect(l2(Float32Array.from(missing, (value, i) => value - residual[i]!))).toBeLessThan(1e-5);
    // Uncorrelated updates: the residual settles below sqrt(M/r) times their norm.
    expect(l2(residual)).toBeLessThan(0.4 * Math.sqrt(128 / RANK));
  });
});

const play = async (stage: Stage): Promise<string> => {
  const coordinator = stage.create();
  await coordinator.start();
  for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
    connect(coordinator, await stage.participant(name));
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return toHex(model.hash);
};

const verify = async (stage: Stage, spec: RunSpec = stage.spec) =>
  verifyRun({
    spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    ledger: journalLedger(stage.journal),
  });

describe('a run of low rank', () => {
  const model = { architecture: 'custom', tensors: tensors.slice(1, 3) };
  const runOf = (rank: number, over: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
    testSpec({
      rounds: 2,
      model,
      encoding: { clipNorm: 4, weightCap: 10, compression: { ...LOW_RANK, rank } },
      ...over,
    });

  it.each(['fedavg', 'fedadam'])(
    '%s: gives the same model masked and unmasked, and verifies to level 1; not at another rank',
    async (name) => {
      const hashes: string[] = [];
      for (const secagg of ['masked', 'none'] as const) {
        const stage = await createStage(await runOf(8, { secagg, strategy: { name } }));
        hashes.push(await play(stage));
        expect(await verify(stage)).toMatchObject({ ok: true, level: 'L1' });
        const other = await runOf(16, { secagg, strategy: { name } });
        expect(await verify(stage, other)).toMatchObject({ ok: false });
      }
      expect(hashes[0]).toBe(hashes[1]);
    },
  );

  it.each([
    ['a rank that is no power of two', 12, /compression: expected a rank of 4, 8/u],
    ['a rank out of range', 128, /rank/u],
    ['a rank that no matrix exceeds', 64, /compression: at rank 64 .* no matrix of the model/u],
  ])('refuses %s', async (_, rank, message) => {
    const small = { ...model, tensors: [{ ...tensors[1]!, shape: [60, 50] }] };
    await expect(runOf(rank, { model: small })).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringMatching(message),
    });
  });
});
