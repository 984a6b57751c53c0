/**
 * @module What a round's arithmetic is made of, for everyone alike: the layout of the ring vector,
 * the metrics that travel in it, the seed of the rotation, the fold of uploads into one
 * accumulator, and the step of the strategy. All of it is bit-exact: integers, or float operations
 * in one fixed order.
 */
import {
  blockDecoder,
  checkBlockNorm,
  checkMeanNorm,
  pack,
  pipelineOf,
  readExtras,
  segmentAt,
  spreadIn,
  unreachedIn,
} from '../encoding/index.ts';
import type { DecodedSum, ExtraTotals, Lanes } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { rootOfHashes } from '../records/merkle.ts';
import { groupSizeOf } from '../robust/groups.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { hashModel, placeOf, put, roundStep, roundStepAt, take } from '../model/index.ts';
import type { TensorSpec } from '../model/manifest.ts';
import type { ModelContent } from '../model/open-model.ts';
import { leafHashes } from '../encoding/leaves.ts';
import {
  decodeRound,
  groupedMeans,
  robustMeans,
  roundingOf,
  type DecodedGroups,
  type StepInput,
} from './decode-round.ts';
import { aggregateOfGroups, type Aggregate } from './fold.ts';
import { metricValues } from './metrics.ts';
import { strategyOf } from './registry.ts';
import {
  encodingFor,
  extrasFor,
  layoutOf,
  leavesOfCheck,
  partsFor,
  trainableOf,
} from './segments.ts';
import { stateHashOf, stateTensors, stateVectors } from './state.ts';
import { steppedStatistics } from './statistics.ts';
import type { ServerStep, StepTotals } from './strategy.ts';
import { totalsOf, type RoundTotals } from './totals.ts';

export { encodingSeed, rotationSeed } from './encoding-seed.ts';
export { aggregateOfGroups, createFold, sameAggregate, type Fold } from './fold.ts';
export {
  blocksOf,
  encodingFor,
  extrasFor,
  layoutOf,
  leavesOfCheck,
  partsFor,
  segmentsFor,
  specAt,
} from './segments.ts';

export type { GroupSum, StepInput } from './decode-round.ts';
export { sameTotals, type RoundTotals } from './totals.ts';

/** The tensors of the state that the run's strategy carries; none for a strategy without state. */
export const stateTensorsOf = (spec: RunSpec): readonly TensorSpec[] =>
  stateTensors(strategyOf(spec), trainableOf(spec));

/** The next model, and the totals. */
export interface RoundStep extends RoundTotals {
  /** In groups: the mean update of each, undefined where left out, and what the rule gave. */
  readonly inGroups?: {
    readonly means: readonly (Float32Array | undefined)[];
    readonly aggregate: Float32Array;
  };
  /** w_{t+1}, as the types of its tensors hold it, and the state after the round. */
  readonly after: ModelContent;
  readonly afterHash: Uint8Array;
  /** Undefined where the strategy has no state. */
  readonly stateHash: Uint8Array | undefined;
}

export interface RoundResult extends RoundStep {
  /** The leaf hashes of S: they go into the gated bundle. */
  readonly sumLeaves: readonly Uint8Array[];
  /** In groups, their packed sums in their order: they go into the gated bundle. */
  readonly groupSums?: Uint8Array[];
  /** Commitment to S: size and chunk root of its packed form. */
  readonly aggregate: Aggregate;
}

/** Facts about the sum that the strategy receives in addition to the vector. */
const stepTotals = (spec: RunSpec, survivors: number, totals: ExtraTotals): StepTotals => {
  const { weight, metrics } = totals;
  const scalars = strategyOf(spec).strategy.member?.scalars ?? [];
  const sums = scalars.map(({ name }, i) => ({ name, sum: metrics[spec.metrics.length + i]! }));
  const values = metricValues(scalars, sums, weight);
  return {
    weight,
    survivors,
    scalars: Object.fromEntries(values.map(({ name, value }) => [name, value])),
  };
};

/**
 * One step of the run's strategy over some coordinates: the same call for the whole and for a
 * block.
 */
const takeStep = (
  spec: RunSpec,
  input: Pick<ServerStep, 'totals' | 'mean' | 'extra' | 'before' | 'stateBefore'>,
): { readonly after: Float32Array; readonly state: Float32Array } => {
  const { strategy, parameters } = strategyOf(spec);
  const size = input.before.length;
  const after = new Float32Array(size);
  const state = new Float32Array(strategy.state.length * size);
  strategy.step({ ...input, parameters, after, stateAfter: stateVectors(state, size) });
  return { after, state };
};

/** Says that somebody has not clipped, not who. */
const meansOfSum = (
  { spec, n, meanExamples, survivors, lanes }: StepInput,
  { means, weight }: DecodedSum,
): readonly Float32Array[] => {
  const encoding = encodingFor(spec, n, meanExamples);
  checkMeanNorm(lanes, encoding, layoutOf(spec, n, meanExamples), survivors, weight);
  return means;
};

/** The means by segment, by the rule of the run, with the totals over what is in them. */
const meansOf = (
  input: StepInput,
): {
  readonly totals: ExtraTotals;
  readonly means: readonly Float32Array[];
  readonly survivors: number;
  readonly groups?: DecodedGroups['groups'];
} => {
  const { spec, survivors, lanes } = input;
  if (groupSizeOf(spec) !== undefined) {
    const grouped = groupedMeans(input);
    return { totals: grouped, ...grouped };
  }
  const totals = decodeRound(input, lanes, survivors);
  const means = spec.robust === undefined ? meansOfSum(input, totals) : robustMeans(input);
  return { totals, means, survivors };
};

/**
 * From the unmasked sum to the next model.
 *
 * @param lanes S, mod 2^b @param n size of the cohort @param survivors how many uploads are in the
 * sum
 * @throws FloeError `weight_sum_out_of_range`, `mean_out_of_range`, `update_not_finite` when the
 * step leaves the floats
 */
const stepRound = (input: StepInput): RoundStep => {
  const { spec, before } = input;
  const { totals: decoded, means, survivors, groups } = meansOf(input);
  const { trainable, statistics } = partsFor(spec);
  const [mean, ...others] = means;
  const [statisticsMean, extra] =
    statistics.length === 0 ? [undefined, others] : [others[0], others.slice(1)];
  const { after, state } = takeStep(spec, {
    totals: stepTotals(spec, survivors, decoded),
    mean: mean!,
    extra,
    before: take(before.weights, trainable),
    stateBefore: stateVectors(before.state, trainableOf(spec)),
  });
  const whole = assembled(spec, before.weights, after, statisticsMean);
  const weights = roundStep(spec.model, whole, roundingOf(spec, input.rotationSeed));
  requireFinite(weights, 'the new model');
  requireFinite(state, 'the state of the strategy');
  return {
    after: { weights, state },
    afterHash: hashModel(spec.model, weights),
    stateHash: stateHashOf(strategyOf(spec), trainableOf(spec), state),
    ...(groups === undefined
      ? {}
      : { inGroups: { means: groups.map((all) => all?.[0]), aggregate: mean! } }),
    ...totalsOf(spec, survivors, decoded),
  };
};

/** The whole model: its parts after the step, and what stays as it was. */
const assembled = (
  spec: RunSpec,
  before: Float32Array,
  trained: Float32Array,
  statisticsMean: Float32Array | undefined,
): Float32Array => {
  const { trainable, statistics } = partsFor(spec);
  if (trained.length === before.length) return trained;
  const whole = before.slice();
  put(whole, trainable, trained);
  if (statisticsMean !== undefined)
    put(whole, statistics, steppedStatistics(statistics, before, statisticsMean));
  return whole;
};

/** A plain loop: every member of every cohort does this. */
const requireFinite = (values: Float32Array, what: string): void => {
  for (let i = 0; i < values.length; i += 1)
    if (!Number.isFinite(values[i]))
      throw new FloeError('update_not_finite', `value ${i} of ${what} is not finite`);
};

/**
 * The step, and the commitment to the sum that it comes from, or to those of the groups. @throws
 * FloeError as {@link stepRound}
 */
export const finishRound = (input: StepInput): RoundResult => {
  const { spec, n, lanes, groups } = input;
  const layout = layoutOf(spec, n, input.meanExamples);
  const step = stepRound(input);
  if (groupSizeOf(spec) !== undefined) {
    const groupSums = (groups ?? []).map((group) => pack(group.lanes, layout.modulusBits));
    return { ...step, sumLeaves: [], groupSums, aggregate: aggregateOfGroups(layout, groupSums) };
  }
  const sum = pack(lanes, layout.modulusBits);
  const sumLeaves = leafHashes(layout, sum);
  return {
    ...step,
    sumLeaves,
    aggregate: { chunkRoot: rootOfHashes(sumLeaves), size: sum.length },
  };
};

/** One block of a sum, and the extra lanes of the sum. */
export interface BlockInput extends Omit<StepInput, 'lanes'> {
  readonly after: ModelContent;
  /** 0 to `blocksOf` - 1. */
  readonly block: number;
  /** The lanes of each leaf of `leavesOfCheck`. */
  readonly leaves: readonly Lanes[];
  readonly extras: Lanes;
}

/** The means in one block: of its own segment, and of the strategy's vectors over it. */
const decodeCheck = (
  { spec, n, survivors, block, leaves, rotationSeed: seed, meanExamples }: BlockInput,
  weight: number,
) => {
  const encoding = encodingFor(spec, n, meanExamples);
  const layout = layoutOf(spec, n, meanExamples);
  const pipeline = pipelineOf(encoding, layout, seed);
  const parts = leavesOfCheck(layout, block).map((leaf, i) => {
    const segment = segmentAt(layout, leaf);
    const lanes = leaves[i]!;
    checkBlockNorm(lanes, encoding, layout, segment, survivors, weight);
    const stages = pipeline.segments[layout.segments.indexOf(segment)]!;
    const decoded = blockDecoder(stages, { survivors, weight })(lanes, leaf - segment.firstBlock);
    return { ...spreadIn(stages, decoded), stages };
  });
  const { coordinates, stages } = parts[0]!;
  return {
    coordinates,
    means: parts.map(({ values }) => values),
    unreached: unreachedIn(stages),
  };
};

/** The first frozen element that the commit has changed; -1 where there is none. */
const movedOf = (spec: RunSpec, before: Float32Array, after: Float32Array): number => {
  for (const { start, end } of partsFor(spec).frozen)
    for (let i = start; i < end; i += 1) if (!Object.is(before[i], after[i])) return i;
  return -1;
};

/**
 * What the extra lanes say, and whether the step moved the coordinates of one block as the sum
 * says: those of the model and those of the state. Frozen tensors are compared whole, and so is the
 * step where nothing travelled.
 *
 * @returns `differs`: an element of the flat model with another value, or -1
 * @throws FloeError `weight_sum_out_of_range`, `mean_out_of_range`
 */
export const checkBlock = (input: BlockInput): RoundTotals & { readonly differs: number } => {
  const { spec, n, survivors, before, after, block } = input;
  const layout = layoutOf(spec, n, input.meanExamples);
  const encoding = encodingFor(spec, n, input.meanExamples);
  const totals = readExtras(input.extras, encoding, layout, extrasFor(spec), survivors);
  const moved = movedOf(spec, before.weights, after.weights);
  const { coordinates, means, unreached } = decodeCheck(input, totals.weight);
  const movedInUpdate = (): number => {
    const found = differsInUpdate(input, totals, coordinates, means);
    return found === -1 ? differsUnreached(input, totals, unreached, means.length) : found;
  };
  const differs =
    moved !== -1
      ? moved
      : block < layout.segments[0].blocks
        ? movedInUpdate()
        : differsInStatistics(input, coordinates, means[0]!);
  return { ...totalsOf(spec, survivors, totals), differs };
};

const gather = (from: Float32Array, at: Int32Array): Float32Array =>
  Float32Array.from(at, (i) => from[i] ?? 0);

const differsInUpdate = (
  { spec, survivors, before, after, rotationSeed: seed }: BlockInput,
  totals: ExtraTotals,
  coordinates: Int32Array,
  [mean, ...extra]: readonly Float32Array[],
): number => {
  const size = trainableOf(spec);
  const places = placeOf(partsFor(spec).trainable, coordinates, before.weights.length);
  const stepped = takeStep(spec, {
    totals: stepTotals(spec, survivors, totals),
    mean: mean!,
    extra,
    before: gather(before.weights, places),
    stateBefore: stateVectors(before.state, size).map((from) => gather(from, coordinates)),
  });
  const weights = roundStepAt(spec.model, places, stepped.after, roundingOf(spec, seed));
  const states = stateVectors(stepped.state, coordinates.length);
  const committed = stateVectors(after.state, size);
  const differs = coordinates.findIndex(
    (i, g) =>
      i < size &&
      (!Object.is(weights[g], after.weights[places[g]!]) ||
        states.some((vector, k) => !Object.is(vector[g], committed[k]?.[i]))),
  );
  return differs === -1 ? -1 : places[differs]!;
};

/** Coordinates that are stepped together. */
const CHECKED_AT_ONCE = 2 ** 16;

/**
 * Where no coordinate travelled, every mean is 0: these parts of the step need no sum, and are
 * checked whole.
 */
const differsUnreached = (
  input: BlockInput,
  totals: ExtraTotals,
  unreached: Int32Array,
  segments: number,
): number => {
  for (let from = 0; from < unreached.length; from += CHECKED_AT_ONCE) {
    const coordinates = unreached.subarray(from, from + CHECKED_AT_ONCE);
    const zeros = new Float32Array(coordinates.length);
    const means = Array.from({ length: segments }, () => zeros);
    const found = differsInUpdate(input, totals, coordinates, means);
    if (found !== -1) return found;
  }
  return -1;
};

const differsInStatistics = (
  { spec, before, after, rotationSeed: seed }: BlockInput,
  coordinates: Int32Array,
  changes: Float32Array,
): number => {
  const { statistics } = partsFor(spec);
  const size = before.weights.length;
  const places = placeOf(statistics, coordinates, size);
  // Of the others nothing is known, and nothing is compared.
  const all = new Float32Array(statistics.reduce((sum, { start, end }) => sum + end - start, 0));
  for (const [g, i] of coordinates.entries()) if (i < all.length) all[i] = changes[g]!;
  const stepped = steppedStatistics(statistics, before.weights, all);
  const values = roundStepAt(
    spec.model,
    places,
    Float32Array.from(coordinates, (i) => stepped[i] ?? 0),
    roundingOf(spec, seed),
  );
  const differs = places.findIndex((i, g) => i < size && !Object.is(values[g], after.weights[i]));
  return differs === -1 ? -1 : places[differs]!;
};
