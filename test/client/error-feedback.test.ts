/**
 * Error feedback: what random-k leaves out of a participant's updates is added to its later ones,
 * once each, and moves on only with commits that the update is in.
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  residualAfter,
  residualState,
  withResidual,
} from '../../client/participant/host/error-feedback.ts';
import { memoryKeystore } from '../../client/keystore/index.ts';
import { encodeTrained, type MemberRound } from '../../client/participant/host/encode-trained.ts';
import { decodeSum } from '../../protocol/encoding/index.ts';
import { encodingFor, extrasFor, layoutOf } from '../../protocol/algorithm/round.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { atOnce } from '../../protocol/steps.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { testSpec } from '../support/run.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { l2, normal, uniform } from '../protocol/support.ts';

const DIMENSION = 400;
const tensors = [{ name: 'w', shape: [DIMENSION], dtype: 'float32' as const }];
const encoding = {
  ring: 'ring32',
  clipNorm: 1,
  weightCap: 10,
  compression: { type: 'random-k', rate: 0.25, mode: 'feedback' },
} as const;
const specOf = (): Promise<RunSpec> =>
  testSpec({ model: { architecture: 'custom', tensors }, metrics: [], encoding });
const seedOf = (value: number): Uint8Array => new Uint8Array(32).fill(value);

const updateOf = (label: number, norm: number): Float32Array => {
  const next = uniform(label);
  const values = Float32Array.from({ length: DIMENSION }, () => normal(next));
  const factor = norm / l2(values);
  return values.map((value) => value * factor);
};

/** One round of one participant alone. @returns what the sum says, and what is left */
const roundOf = (spec: RunSpec, delta: Float32Array, residual: Float32Array, round: number) => {
  const before = new Float32Array(DIMENSION);
  const member: MemberRound = { state: [], kept: [], learningRate: 1, residual };
  const trained = { weights: delta, examples: 10, lossSum: 0, correct: 0 };
  const rotationSeed = seedOf(round);
  const random = seededRandom(seedOf(round));
  const attempt = { n: 4, meanExamples: 10, rotationSeed, random };
  const { lanes, left, clipped } = atOnce(encodeTrained(spec, trained, before, member, attempt));
  const { meanDelta } = decodeSum({
    lanes,
    spec: encodingFor(spec, 4, 10),
    n: 4,
    survivors: 1,
    rotationSeed,
    dimension: layoutOf(spec, 4, 10).segments,
    extras: extrasFor(spec),
  });
  return { sent: meanDelta, left: left!, clipped };
};

describe('what is left out', () => {
  it('is the update less what the sum holds, and nothing is lost over rounds', async () => {
    const spec = await specOf();
    let residual: Float32Array = new Float32Array(DIMENSION);
    const trained = new Float64Array(DIMENSION);
    const sum = new Float64Array(DIMENSION);
    for (let round = 1; round <= 12; round += 1) {
      const delta = updateOf(round, 0.4);
      const { sent, left, clipped } = roundOf(spec, delta, residual, round);
      expect(clipped).toBe(false);
      expect(sent.filter((value) => value !== 0).length).toBeLessThanOrEqual(DIMENSION / 4);
      for (let i = 0; i < DIMENSION; i += 1) {
        trained[i]! += delta[i]!;
        sum[i]! += sent[i]!;
      }
      residual = left;
    }
    const missing = trained.map((value, i) => value - sum[i]! - residual[i]!);
    expect(l2(missing)).toBeLessThan(1e-5);
    // Uncorrelated updates: e^2 -> (1 - k/d) / (k/d) times their squared norm.
    expect(l2(residual)).toBeGreaterThan(0.4);
    expect(l2(residual)).toBeLessThan(0.4 * 2);
  });

  it('stays bounded where every update is cut, and the cut is counted', async () => {
    const spec = await specOf();
    const same = updateOf(3, 50);
    let residual: Float32Array = new Float32Array(DIMENSION);
    for (let round = 1; round <= 40; round += 1) {
      const { left, clipped } = roundOf(spec, same, residual, round);
      expect(clipped).toBe(true);
      expect(l2(left)).toBeLessThanOrEqual(2 * 4 * 1.0001);
      residual = left;
    }
    const { values, clipped } = withResidual(spec, same, new Float32Array(DIMENSION));
    expect([l2(values), clipped]).toEqual([expect.closeTo(1, 5), true]);
    const large = updateOf(4, 100);
    expect(l2(residualAfter(spec, large, new Float32Array(DIMENSION)))).toBeCloseTo(8, 3);
  });

  it('is kept for runs with error feedback alone', async () => {
    const keystore = await memoryKeystore(seedOf(1));
    const spec = await specOf();
    const run = hashRunSpec(spec);
    expect(residualState({ spec, run }, keystore)).toBeDefined();
    const unbiased = { ...encoding, compression: { ...encoding.compression, mode: 'unbiased' } };
    const other = await testSpec({ encoding: unbiased as never });
    expect(residualState({ spec: other, run }, keystore)).toBeUndefined();
  });
});

describe('participants of a run with error feedback', () => {
  let running: Started[] = [];
  afterEach(async () => {
    await stopAll(running);
    running = [];
  });

  it('propose what is left with each upload, and begin the next round with it', async () => {
    const coordinator = await ScriptedCoordinator.create({ encoding, metrics: [] }, tensors);
    running = await startAll(coordinator, 4, { tensors });
    const { spec, run } = coordinator;
    const site = () => residualState({ spec, run }, running[0]!.keystore)!;
    expect(l2(await site().read(undefined))).toBe(0);
    await coordinator.playRound();
    const first = await site().read(1);
    expect(l2(first)).toBeGreaterThan(0);
    await coordinator.playRound();
    const second = await site().read(2);
    expect(second).not.toEqual(first);
    // The second attempt began with what the first one left: it is what it settles on otherwise.
    expect(await site().read(undefined)).toEqual(first);
  });
});
