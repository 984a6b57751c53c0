/**
 * What of a model travels: frozen tensors keep every bit through the step and its check, statistics
 * move by the weighted mean of the sites' and no variance falls below 0, a strategy's own vector
 * reaches its step; and a commit that moves any of them otherwise is found at the block or whole.
 */
import { expect, it } from 'vitest';
import {
  blocksOf,
  checkBlock,
  createFold,
  encodingFor,
  extrasFor,
  finishRound,
  layoutOf,
  leavesOfCheck,
  partsFor,
  segmentsFor,
  type StepInput,
} from '../../protocol/algorithm/round.ts';
import { trainableOf } from '../../protocol/algorithm/segments.ts';
import { initialState } from '../../protocol/algorithm/state.ts';
import { statisticChanges } from '../../protocol/algorithm/statistics.ts';
import { registerStrategy, strategyOf } from '../../protocol/algorithm/registry.ts';
import { encodeUpdate, pack, scaleOf, type Lanes } from '../../protocol/encoding/index.ts';
import { blockOf } from '../../protocol/encoding/lanes.ts';
import { take, type TensorSpec } from '../../protocol/model/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { hashRunSpec, type RunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';
import { squaresStrategy } from '../support/squares.ts';

const tensor = (name: string, shape: number[], role?: TensorSpec['role']) => ({
  name,
  shape,
  dtype: 'float32' as const,
  ...(role === undefined ? {} : { role }),
});

/** 300 trainable in two ranges, 40 frozen between them, 6 statistics. */
const TENSORS = [
  tensor('a', [200]),
  tensor('frozen', [40], 'frozen'),
  tensor('b', [100]),
  tensor('mean', [3], 'statistic'),
  tensor('variance', [3], 'variance'),
];
const SIZE = 346;
const seed = new Uint8Array(32).fill(4);
const N = 3;
const EXAMPLES = [10, 20, 30];
const MEAN = 20;

const specOf = (more: Partial<RunSpecInput> = {}): Promise<RunSpec> =>
  testSpec({
    model: { architecture: 'custom', tensors: TENSORS },
    metrics: [],
    strategy: { name: 'fedadam' },
    encoding: { clipNorm: 4, weightCap: 1000 },
    ...more,
  });

const wave = (step: number, scale: number): Float32Array =>
  Float32Array.from({ length: SIZE }, (_, i) => Math.sin(i * step + 1) * scale);

/** Weights before, with variances 0, 1 and 100. */
const BEFORE = wave(0.7, 1);
BEFORE.set([0, 1, 100], 343);

/** What a site's training leaves: everything has moved, the frozen tensor too. */
const trainedBy = (site: number): Float32Array => {
  const after = BEFORE.map((value, i) => value + wave(0.3 + site, 0.01)[i]!);
  after.set([0.5 * site, 0.2, 90 + site], 343);
  return after;
};

const inputOf = (spec: RunSpec): StepInput => {
  const encoding = encodingFor(spec, N, MEAN);
  expect(scaleOf(encoding)).toBe(60);
  const layout = layoutOf(spec, N, MEAN);
  const fold = createFold(layout);
  const { trainable, statistics } = partsFor(spec);
  for (const [site, examples] of EXAMPLES.entries()) {
    const after = trainedBy(site);
    const moved = take(after, trainable);
    const before = take(BEFORE, trainable);
    const { lanes } = encodeUpdate({
      delta: moved.map((value, i) => value - before[i]!),
      segments: segmentsFor(spec),
      others: [
        ...(statistics.length === 0 ? [] : [statisticChanges(statistics, BEFORE, after)]),
        ...(strategyOf(spec).strategy.member?.vectors?.({
          parameters: {},
          state: [],
          kept: [],
          effectiveSteps: 1,
          learningRate: 0.1,
          delta: moved.map((value, i) => value - before[i]!),
          examples,
          steps: 1,
        }) ?? []),
      ],
      examples,
      extras: extrasFor(spec),
      spec: encoding,
      n: N,
      rotationSeed: seed,
      random: seededRandom(new Uint8Array(32).fill(site)),
    });
    fold.add(pack(lanes, layout.modulusBits));
  }
  const state = initialState(strategyOf(spec), trainableOf(spec));
  const before = { weights: BEFORE, state };
  return {
    spec,
    n: N,
    survivors: N,
    lanes: fold.lanes,
    before,
    rotationSeed: seed,
    meanExamples: MEAN,
  };
};

/** The first element that a check of each block finds, -1 where it finds none. */
const checked = (input: StepInput, after: Float32Array, state: Float32Array): number[] => {
  const { spec, lanes } = input;
  const layout = layoutOf(spec, N, MEAN);
  return Array.from({ length: blocksOf(spec) }, (_, block) => {
    const leaves = leavesOfCheck(layout, block).map((leaf): Lanes => blockOf(lanes, layout, leaf));
    const extras = lanes.subarray(layout.padded);
    return checkBlock({ ...input, block, leaves, extras, after: { weights: after, state } })
      .differs;
  });
};

it('frozen tensors keep every bit, statistics are the weighted mean, a state is of what trains', async () => {
  const spec = await specOf();
  const input = inputOf(spec);
  const { after, examples, meanExamples, weight } = finishRound(input);
  expect({ examples, meanExamples, weight }).toEqual({
    examples: 60,
    meanExamples: 20,
    weight: 60,
  });
  expect(after.weights.slice(200, 240)).toEqual(BEFORE.slice(200, 240));
  expect(after.state).toHaveLength(2 * 300);
  const meanOf = (i: number): number =>
    EXAMPLES.reduce((sum, w, site) => sum + (w / 60) * trainedBy(site)[i]!, 0);
  // Rounding is relative to each statistic before the round: around a hundredth of 1 as of 100.
  for (const i of [344, 345])
    expect(Math.abs(after.weights[i]! - meanOf(i))).toBeLessThan(0.02 * BEFORE[i]!);
  for (const [mean, variance] of [
    [341, 1],
    [342, 100],
  ] as const)
    expect(Math.abs(after.weights[mean]! - meanOf(mean))).toBeLessThan(0.02 * Math.sqrt(variance));
  // 0, 0.5 and 1 from a variance of 0: cut to four thousandths a round.
  expect(after.weights[343]).toBeGreaterThanOrEqual(0);
  expect(after.weights[343]).toBeLessThan(0.01);
  expect(checked(input, after.weights, after.state)).toEqual(Array(blocksOf(spec)).fill(-1));
});

it('a check finds what was moved otherwise: frozen whole, statistics and state at their block', async () => {
  const spec = await specOf();
  const input = inputOf(spec);
  const { after } = finishRound(input);
  const changed = (at: number): Float32Array => {
    const copy = after.weights.slice();
    copy[at] = copy[at]! + 1e-3;
    return copy;
  };
  expect(checked(input, changed(210), after.state)).toEqual(Array(blocksOf(spec)).fill(210));
  const [update] = layoutOf(spec, N, MEAN).segments;
  const found = (differs: readonly number[]): readonly number[] => differs.filter((i) => i !== -1);
  expect(found(checked(input, changed(344), after.state))).toEqual([344]);
  expect(checked(input, changed(344), after.state)[update.blocks]).toBe(344);
  expect(found(checked(input, changed(250), after.state))).toEqual([250]);
  const state = after.state.slice();
  state[299] = 1;
  // Of m at the last trainable coordinate, which is element 339 of the model.
  expect(found(checked(input, after.weights, state))).toEqual([339]);
});

/** Adds up the plain mean of the squares of updates, which travel beside them. */
const squares = squaresStrategy({ name: 'squares' });

it("a strategy's own vector reaches its step, without weights, and is checked with its block", async () => {
  registerStrategy(squares, new Uint8Array(32).fill(1));
  const spec = await specOf({ strategy: { name: 'squares' } });
  const layout = layoutOf(spec, N, MEAN);
  const names = layout.segments.map(({ name }) => name);
  expect(names).toEqual(['update', 'statistics', 'strategy/squares']);
  expect(leavesOfCheck(layout, 0)).toEqual([0, layout.segments[2]!.firstBlock]);
  const input = inputOf(spec);
  const { after } = finishRound(input);
  const { trainable } = partsFor(spec);
  const before = take(BEFORE, trainable);
  const moved = [0, 1, 2].map((site) => take(trainedBy(site), trainable));
  // The range of a coordinate is 4.5 / sqrt(padded), the step a 682nd of it.
  for (let i = 0; i < 300; i += 1) {
    const wanted = moved.reduce((sum, of) => sum + (of[i]! - before[i]!) ** 2 / N, 0);
    expect(Math.abs(after.state[i]! - wanted)).toBeLessThan(2e-3);
  }
  expect(checked(input, after.weights, after.state)).toEqual(Array(blocksOf(spec)).fill(-1));
  // A liar's lanes in the strategy's segment, each far beyond the clip norm.
  const { firstLane, padded } = layout.segments[2]!;
  const lanes = input.lanes
    .slice()
    .fill(1 << (layout.modulusBits - 1), firstLane, firstLane + padded);
  expect(() => finishRound({ ...input, lanes })).toThrow('a mean of strategy/squares');
});

it('a variance that a sum takes below 0 is 0', async () => {
  const spec = await specOf();
  const input = inputOf(spec);
  const layout = layoutOf(spec, N, MEAN);
  const statistics = layout.segments[1]!;
  // A liar's lanes: every coordinate of the segment at -L after the rotation, or what decodes so.
  const { firstLane, padded, modulusBits, level } = statistics;
  const lanes = input.lanes.slice();
  let least = Infinity;
  for (let lane = 0; lane < padded; lane += 1) {
    const own = lanes.slice();
    own[firstLane + lane] = (own[firstLane + lane]! - level) & (2 ** modulusBits - 1);
    const { after } = finishRound({ ...input, lanes: own });
    least = Math.min(least, ...after.weights.slice(343));
  }
  expect(least).toBe(0);
});

it('a step that leaves the floats is refused by name', async () => {
  const spec = await specOf();
  const input = inputOf(spec);
  const weights = BEFORE.slice();
  weights[5] = Number.NaN;
  const before = { ...input.before, weights };
  expect(() => finishRound({ ...input, before })).toThrow(
    expect.objectContaining({ code: 'update_not_finite' }),
  );
});

it('the role of a tensor is part of what a run agrees on, and of no hash of a model', async () => {
  const plain = await specOf({
    model: {
      architecture: 'custom',
      tensors: TENSORS.map(({ name, shape }) => tensor(name, shape)),
    },
  });
  expect(hashRunSpec(plain)).not.toEqual(hashRunSpec(await specOf()));
  const all = TENSORS.map((one) => ({ ...one, role: 'frozen' as const }));
  await expect(specOf({ model: { architecture: 'custom', tensors: all } })).rejects.toThrow(
    'at least one trainable tensor',
  );
});
