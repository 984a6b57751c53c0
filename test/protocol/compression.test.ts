/**
 * Random-k under masks: the cohort keeps the same coordinates, which nobody chooses; what is kept
 * is the update on average; a run is the same masked and unmasked, verifies, and one with other
 * coordinates, another rate or another length does not.
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  blocksOf,
  checkBlock,
  createFold,
  encodingFor,
  encodingSeed,
  extrasFor,
  finishRound,
  layoutOf,
  leavesOfCheck,
  segmentsFor,
  type StepInput,
} from '../../protocol/algorithm/round.ts';
import { registerStrategy, strategyOf } from '../../protocol/algorithm/registry.ts';
import { trainableOf } from '../../protocol/algorithm/segments.ts';
import { initialState } from '../../protocol/algorithm/state.ts';
import { toHex } from '../../protocol/bytes.ts';
import {
  addInto,
  decodeSum,
  describeError,
  encodeUpdate,
  pack,
  ringLayout,
  type EncodingSpec,
  type Lanes,
} from '../../protocol/encoding/index.ts';
import { compressionError } from '../../protocol/encoding/compression.ts';
import { blockOf } from '../../protocol/encoding/lanes.ts';
import { chooseCoordinates, othersThan } from '../../protocol/encoding/subsample.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { connect, createStage, testSpec, type Stage } from '../support/run.ts';
import { squaresStrategy } from '../support/squares.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { verifyStage } from '../support/verify-stage.ts';
import { byteStream, l2, normal, uniform } from './support.ts';

const RANDOM_K = { type: 'random-k', rate: 0.1, mode: 'unbiased' } as const;
const seedOf = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const spec: EncodingSpec = {
  ring: 'ring16',
  clipNorm: 1,
  rotation: true,
  weightCap: 10,
  compression: RANDOM_K,
};

const updateOf = (label: number, dimension: number, norm: number): Float32Array => {
  const next = uniform(label);
  const values = Float32Array.from({ length: dimension }, () => normal(next));
  const factor = norm / l2(values);
  return values.map((value) => value * factor);
};

const encoded = (delta: Float32Array, of: EncodingSpec, n: number, seed: Uint8Array, label = '') =>
  encodeUpdate({
    delta,
    examples: 10,
    spec: of,
    n,
    rotationSeed: seed,
    random: byteStream(`rounding ${label}`),
  });

describe('the coordinates that travel', () => {
  it('are k of d, each as likely, the same for everybody and others for another seed', () => {
    const counts = new Uint32Array(50);
    for (let i = 0; i < 2000; i += 1) {
      const chosen = chooseCoordinates(
        50,
        10,
        seedOf(0)
          .fill(i % 251, 0, 16)
          .fill(i >> 3, 16),
      );
      expect(new Set(chosen).size).toBe(10);
      expect([...chosen]).toEqual([...chosen].toSorted((a, b) => a - b));
      for (const at of chosen) counts[at]! += 1;
    }
    // 400 expected, a standard deviation of 18.
    for (const count of counts) expect(Math.abs(count - 400)).toBeLessThan(5 * 18);
    expect(chooseCoordinates(50, 10, seedOf(1))).toEqual(chooseCoordinates(50, 10, seedOf(1)));
    expect(chooseCoordinates(50, 10, seedOf(1))).not.toEqual(chooseCoordinates(50, 10, seedOf(2)));
    expect([...chooseCoordinates(7, 7, seedOf(1))]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...othersThan(Int32Array.of(1, 3), 5)]).toEqual([0, 2, 4]);
    expect(() => chooseCoordinates(7, 2, new Uint8Array(31))).toThrow(/32 bytes/u);
  });

  it('follow from the model and the last beacon: no attempt and no cohort changes them', async () => {
    const at = { attempt: 1, modelHash: seedOf(1), cohortRoot: seedOf(2), beacon: seedOf(3) };
    const run = await runSpec();
    const seed = encodingSeed(run, at);
    expect(encodingSeed(run, { ...at, attempt: 2, cohortRoot: seedOf(9) })).toEqual(seed);
    expect(encodingSeed(run, { ...at, beacon: seedOf(4) })).not.toEqual(seed);
    expect(encodingSeed(run, { ...at, modelHash: seedOf(4) })).not.toEqual(seed);
  });
});

describe('the mean of a cohort', () => {
  const N = 4;
  const DIMENSION = 1000;
  const updates = Array.from({ length: N }, (_, i) => updateOf(i + 1, DIMENSION, 0.7));
  const exact = updates[0]!.map((_, i) => updates.reduce((sum, of) => sum + of[i]!, 0) / N);

  const meanUnder = (of: EncodingSpec, seed: Uint8Array): Float32Array => {
    const layout = ringLayout(of, N, DIMENSION);
    const { lanes } = createFold(layout);
    for (const [i, delta] of updates.entries())
      addInto(lanes, encoded(delta, of, N, seed, `${i}`).lanes, layout.modulusBits);
    const { meanDelta } = decodeSum({
      lanes,
      spec: of,
      n: N,
      survivors: N,
      rotationSeed: seed,
      dimension: DIMENSION,
    });
    return meanDelta;
  };

  it.each([
    ['unbiased', 10, true],
    ['unbiased', 10, false],
    ['feedback', 1, true],
  ] as const)('%s: times %i where it travels, 0 elsewhere', (mode, times, rotation) => {
    const of = { ...spec, rotation, compression: { ...RANDOM_K, mode } } as const;
    const chosen = chooseCoordinates(DIMENSION, 100, seedOf(5));
    const mean = meanUnder(of, seedOf(5));
    for (const i of othersThan(chosen, DIMENSION)) expect(mean[i]).toBe(0);
    const wanted = Float32Array.from(chosen, (i) => times * exact[i]!);
    const got = Float32Array.from(chosen, (i) => mean[i]!);
    expect(l2(got.map((value, i) => value - wanted[i]!)) / l2(wanted)).toBeLessThan(0.1);
  });

  it('is the mean of the updates on average over seeds, with the error that is printed', () => {
    const rounds = 400;
    const sum = new Float64Array(DIMENSION);
    let error = 0;
    for (let r = 0; r < rounds; r += 1) {
      const mean = meanUnder(
        spec,
        seedOf(0)
          .fill(r >> 1, 0, 9)
          .fill(r, 9),
      );
      for (const [i, value] of mean.entries()) sum[i]! += value / rounds;
      error += l2(mean.map((value, i) => value - exact[i]!)) ** 2 / rounds;
    }
    const relative = compressionError(spec, DIMENSION);
    expect(relative).toBeCloseTo(3, 9);
    expect(Math.sqrt(error) / l2(exact)).toBeGreaterThan(0.9 * relative);
    expect(Math.sqrt(error) / l2(exact)).toBeLessThan(1.1 * relative);
    // Averaged over rounds it goes down with their root.
    const left = l2(sum.map((value, i) => value - exact[i]!)) / l2(exact);
    expect(left).toBeLessThan((1.2 * relative) / Math.sqrt(rounds));
    expect(describeError(spec, N, DIMENSION, 10)).toMatch(
      /; random-k: 100 of 1000 coordinates travel in a round, relative error of its mean 3.0, 0 on average over rounds$/u,
    );
  });

  it('clips the whole update, and what gathers in the coordinates that travel', () => {
    const long = encoded(updateOf(1, DIMENSION, 4), spec, N, seedOf(5));
    expect(long.clipped).toBe(true);
    expect(long.norm).toBeCloseTo(4, 4);
    // To a quarter, and times ten where it travels.
    expect(long.factors[0]).toBeCloseTo(2.5, 4);
    const gathered = new Float32Array(DIMENSION);
    for (const i of chooseCoordinates(DIMENSION, 100, seedOf(5))) gathered[i] = 0.1;
    const { clipped, factors } = encoded(gathered, spec, N, seedOf(5));
    // Norm 1, all of it where it travels; twice the even share of the energy passes.
    expect(clipped).toBe(true);
    expect(factors[0]).toBeCloseTo(10 * Math.sqrt(2 / 10), 4);
  });
});

describe('the bytes of an upload', () => {
  const NN = 199_210;

  it('are at least 15 times fewer than float32 for the 2NN at 10 %', () => {
    const { byteLength, segments } = ringLayout({ ...spec, weightCap: 1000 }, 10, NN);
    expect(segments[0].dimension).toBe(19_921);
    expect((4 * NN) / byteLength).toBeGreaterThan(15);
  });

  it.each(['ring16', 'ring24', 'ring32'] as const)(
    '%s holds a whole cohort at its limits',
    (ring) => {
      const n = 10;
      const of = { ...spec, ring, rotation: false, clipNorm: 1 } as const;
      const dimension = 640;
      const layout = ringLayout(of, n, dimension);
      const { lanes } = createFold(layout);
      // Lanes that no honest member sends: L everywhere, from all of them.
      for (let i = 0; i < n; i += 1)
        addInto(lanes, createFold(layout).lanes.fill(layout.level), layout.modulusBits);
      const [segment] = layout.segments;
      expect(lanes[0]).toBe(n * layout.level);
      expect(n * layout.level).toBeLessThan(2 ** (segment.modulusBits - 1));
      expect(() => ringLayout({ ...of, ring: 'ring16', bits: 13 }, n, dimension)).toThrow(
        expect.objectContaining({ code: 'encoding_overflow' }),
      );
    },
  );
});

/** Adds up the mean of the squares of updates, which travel beside them. */
const squares = squaresStrategy({ name: 'squares-of-k', moves: true });

describe('the check of one block', () => {
  const N = 3;
  const MEAN = 10;
  const seed = seedOf(6);
  const tensors = [
    { name: 'frozen', shape: [50], dtype: 'float32' as const, role: 'frozen' as const },
    { name: 'w', shape: [2000], dtype: 'float32' as const },
  ];

  const inputOf = (run: RunSpec): StepInput => {
    const layout = layoutOf(run, N, MEAN);
    const fold = createFold(layout);
    for (let site = 0; site < N; site += 1) {
      const delta = updateOf(site + 1, 2000, 0.5);
      const { lanes } = encodeUpdate({
        delta,
        segments: segmentsFor(run),
        others: strategyOf(run).strategy.member!.vectors!({
          parameters: {},
          delta,
          examples: 10,
          steps: 1,
          effectiveSteps: 1,
          learningRate: 1,
          state: [],
          kept: [],
        }),
        examples: 10,
        extras: extrasFor(run),
        spec: encodingFor(run, N, MEAN),
        n: N,
        rotationSeed: seed,
        random: seededRandom(seedOf(site)),
      });
      fold.add(pack(lanes, layout.modulusBits));
    }
    const weights = updateOf(77, 2050, 1);
    const state = initialState(strategyOf(run), trainableOf(run));
    return {
      spec: run,
      n: N,
      survivors: N,
      lanes: fold.lanes,
      before: { weights, state },
      rotationSeed: seed,
      meanExamples: MEAN,
    };
  };

  const checked = (input: StepInput, weights: Float32Array, state: Float32Array): number[] => {
    const layout = layoutOf(input.spec, N, MEAN);
    return Array.from({ length: blocksOf(input.spec) }, (_, block) => {
      const leaves = leavesOfCheck(layout, block).map((leaf): Lanes =>
        blockOf(input.lanes, layout, leaf),
      );
      const extras = input.lanes.subarray(layout.padded);
      const after = { weights, state };
      return checkBlock({ ...input, block, leaves, extras, after }).differs;
    });
  };

  it('accepts the step, and finds another where a coordinate travelled and where none did', async () => {
    registerStrategy(squares, seedOf(2));
    const run = await testSpec({
      model: { architecture: 'custom', tensors },
      metrics: [],
      strategy: { name: squares.name },
      encoding: { clipNorm: 1, weightCap: 10, compression: { ...RANDOM_K, rate: 0.4 } },
    });
    const input = inputOf(run);
    const { after } = finishRound(input);
    const blocks = blocksOf(run);
    expect(blocks).toBeGreaterThan(1);
    const all = (value: number): number[] => Array(blocks).fill(value);
    expect(checked(input, after.weights, after.state)).toEqual(all(-1));
    const chosen = chooseCoordinates(2000, 800, seed);
    const others = othersThan(chosen, 2000);
    const changed = (values: Float32Array, i: number): Float32Array => {
      const copy = values.slice();
      copy[i] = copy[i]! + 1e-3;
      return copy;
    };
    const [sent, unsent] = [chosen[400]!, others[700]!];
    const foundSent = checked(input, changed(after.weights, 50 + sent), after.state);
    expect(foundSent.filter((at) => at !== -1)).toEqual([50 + sent]);
    expect(checked(input, changed(after.weights, 50 + unsent), after.state)).toEqual(
      all(50 + unsent),
    );
    expect(checked(input, after.weights, changed(after.state, unsent))).toEqual(all(50 + unsent));
    const foundState = checked(input, after.weights, changed(after.state, sent));
    expect(foundState.filter((at) => at !== -1)).toEqual([50 + sent]);
    // Other coordinates: every block is another.
    const other = finishRound({ ...input, rotationSeed: seedOf(7) }).after;
    expect(checked(input, other.weights, other.state)).not.toContain(-1);
  });
});

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const tensors = [{ name: 'w', shape: [400], dtype: 'float32' as const }];

const runSpec = (more: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
  testSpec({
    rounds: 2,
    model: { architecture: 'custom', tensors },
    encoding: { clipNorm: 4, weightCap: 10, compression: { ...RANDOM_K, rate: 0.5 } },
    ...more,
  });

const play = async (stage: Stage) => {
  const coordinator = stage.create();
  await coordinator.start();
  for (const name of NAMES) connect(coordinator, await stage.participant(name));
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return toHex(model.hash);
};

describe('a run of random-k', () => {
  it.each(['fedavg', 'fedadam'])(
    '%s: gives the same model masked and unmasked, and verifies to level 1; not at another rate',
    async (name) => {
      const hashes: string[] = [];
      for (const secagg of ['masked', 'none'] as const) {
        const stage = await createStage(await runSpec({ secagg, strategy: { name } }));
        hashes.push(await play(stage));
        expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
        const other = await runSpec({
          secagg,
          strategy: { name },
          encoding: { clipNorm: 4, weightCap: 10, compression: { ...RANDOM_K, rate: 0.25 } },
        });
        expect(await verifyStage(stage, { spec: other })).toMatchObject({ ok: false });
      }
      expect(hashes[0]).toBe(hashes[1]);
    },
  );

  it('goes with a robust rule over the single updates', async () => {
    const robust = { rule: { type: 'median' } } as const;
    const stage = await createStage(await runSpec({ secagg: 'none', robust }));
    await play(stage);
    expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
  });

  it.each([
    ['a rate below 1/cohort', { ...RANDOM_K, rate: 0.2 }, /compression: .*1\/4.*0\.2/u],
    ['a rate above 1', { ...RANDOM_K, rate: 1.5 }, /rate/u],
    ['another kind', { ...RANDOM_K, type: 'top-k' }, /compression/u],
  ])('refuses %s', async (_, compression, message) => {
    const encoding = { clipNorm: 4, weightCap: 10, compression: compression as typeof RANDOM_K };
    await expect(runSpec({ encoding })).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringMatching(message),
    });
  });
});

describe('who cheats with the coordinates', () => {
  let running: Started[] = [];
  afterEach(async () => {
    await stopAll(running);
    running = [];
  });
  const encoding = { clipNorm: 4, weightCap: 10, compression: { ...RANDOM_K, rate: 0.5 } };

  it('a coordinator that chooses them is found by every member', async () => {
    const coordinator = await ScriptedCoordinator.create({ encoding }, tensors);
    running = await startAll(coordinator, 4, { tensors });
    await coordinator.playRound();
    await coordinator.playRound([], { seed: seedOf(1) });
    expect(await running[0]!.event('checked')).toMatchObject({ commit: 1 });
    await coordinator.open(undefined, undefined, coordinator.keys);
    await coordinator.cohort(coordinator.keys);
    for (const { event } of running)
      expect((await event('fabricated')).proof).toMatchObject({ part: 'step', attempt: 2 });
  });

  it('a member that sends another number of coordinates is refused', async () => {
    const run = await runSpec();
    const whole = await runSpec({ encoding: { clipNorm: 4, weightCap: 10 } });
    const layout = layoutOf(run, 4, 10);
    const { byteLength } = layoutOf(whole, 4, 10);
    expect(byteLength).toBeGreaterThan(layout.byteLength);
    expect(() => createFold(layout).add(new Uint8Array(byteLength))).toThrow(
      expect.objectContaining({ code: 'upload_mismatch' }),
    );
    expect(() =>
      encodeUpdate({
        delta: new Float32Array(200),
        segments: segmentsFor(run),
        examples: 10,
        extras: [],
        spec: run.encoding,
        n: 4,
        rotationSeed: seedOf(1),
        random: byteStream('x'),
      }),
    ).toThrow(expect.objectContaining({ code: 'tensor_mismatch' }));
  });
});
