/**
 * @module What a round's arithmetic is made of, for everyone alike: the layout of the ring vector,
 * the metrics that travel in it, the seed of the rotation, the fold of uploads into one
 * accumulator, and the step of the strategy. All of it is bit-exact: integers, or float operations
 * in one fixed order.
 */
import { sha256, utf8, equalBytes } from '../bytes.ts';
import {
  addInto,
  blockDecoder,
  checkSum,
  createLanes,
  decodeSum,
  pack,
  pipelineOf,
  readExtras,
  ringLayout,
  unpack,
} from '../encoding/index.ts';
import type { ExtraSpec, ExtraTotals, Lanes, RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { rootOfHashes } from '../records/merkle.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { hashModel, parameterCount, roundToTypes, roundValues } from '../model/index.ts';
import type { TensorSpec } from '../model/manifest.ts';
import type { ModelContent } from '../model/open-model.ts';
import { leafHashes } from '../encoding/leaves.ts';
import { extrasOf, reportMetrics, type NamedSum } from './metrics.ts';
import { strategyOf } from './registry.ts';
import { stateHashOf, stateTensors, stateVectors } from './state.ts';
import type { ServerStep, StepTotals } from './strategy.ts';

/** What travels in the extra lanes: the metrics of the run, then the scalars of its strategy. */
export const extrasFor = (spec: RunSpec): readonly ExtraSpec[] =>
  extrasOf([...spec.metrics, ...(strategyOf(spec).strategy.member?.scalars ?? [])]);

/**
 * The layout of an upload for a cohort of `n`. @throws FloeError `encoding_overflow` when the ring
 * is too small for it
 */
export const layoutOf = (spec: RunSpec, n: number): RingLayout =>
  ringLayout(spec.encoding, n, parameterCount(spec.model), extrasFor(spec));

/** The tensors of the state that the run's strategy carries; none for a strategy without state. */
export const stateTensorsOf = (spec: Pick<RunSpec, 'model' | 'strategy'>): readonly TensorSpec[] =>
  stateTensors(strategyOf(spec), parameterCount(spec.model));

/** Blocks of the sum of any cohort: they follow from the model alone. */
export const blocksOf = (spec: RunSpec): number => layoutOf(spec, spec.cohort.minimum).blocks;

/**
 * Seed of the shared rotation: public, fresh per round, bound to the model and the cohort. It
 * depends neither on masks nor on the beacon: masked and unmasked runs of equal inputs agree, and
 * so do a run on a chain, whose beacon nobody can repeat, and a local one. The rotation guards
 * nothing; it spreads the error of rounding.
 */
export const rotationSeed = (round: {
  readonly round: number;
  readonly modelHash: Uint8Array;
  readonly cohortRoot: Uint8Array;
}): Uint8Array =>
  sha256(utf8(`floe/rotation/v1/${round.round}/`), round.modelHash, round.cohortRoot);

/** One accumulator for a round: memory O(d), whatever the number of uploads. */
export interface Fold {
  readonly lanes: Lanes;
  /** @throws FloeError `upload_mismatch` when `packed` does not fit the layout */
  add(packed: Uint8Array): void;
}

export const createFold = (layout: RingLayout): Fold => {
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  return {
    lanes,
    add: (packed) =>
      addInto(lanes, unpack(packed, layout.modulusBits, layout.lanes), layout.modulusBits),
  };
};

/** What a sum says of the updates in it. */
export interface RoundTotals {
  /** Sum of the capped example counts. */
  readonly weight: number;
  /** How many updates were clipped. */
  readonly clipped: number;
  /** In the order of the specification. */
  readonly metrics: readonly NamedSum[];
}

/** The next model, and the totals. */
export interface RoundStep extends RoundTotals {
  /** w_{t+1}, as the types of its tensors hold it, and the state after the round. */
  readonly after: ModelContent;
  readonly afterHash: Uint8Array;
  /** Undefined where the strategy has no state. */
  readonly stateHash: Uint8Array | undefined;
}

export interface RoundResult extends RoundStep {
  /** The leaf hashes of S: they go into the gated bundle. */
  readonly sumLeaves: readonly Uint8Array[];
  /** Commitment to S: size and chunk root of its packed form. */
  readonly aggregate: { readonly chunkRoot: Uint8Array; readonly size: number };
}

export interface StepInput {
  readonly spec: RunSpec;
  readonly n: number;
  readonly survivors: number;
  readonly lanes: Lanes;
  readonly before: ModelContent;
  readonly rotationSeed: Uint8Array;
}

/** What the strategy is told of the sum beside the vector. */
const stepTotals = (spec: RunSpec, survivors: number, totals: ExtraTotals): StepTotals => {
  const { weight, metrics } = totals;
  const scalars = strategyOf(spec).strategy.member?.scalars ?? [];
  const sums = scalars.map(({ name }, i) => ({ name, sum: metrics[spec.metrics.length + i]! }));
  const values = reportMetrics(scalars, sums, weight);
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
  input: Pick<ServerStep, 'totals' | 'mean' | 'before' | 'stateBefore'>,
): { readonly after: Float32Array; readonly state: Float32Array } => {
  const { strategy, parameters } = strategyOf(spec);
  const size = input.before.length;
  const after = new Float32Array(size);
  const state = new Float32Array(strategy.state.length * size);
  strategy.step({ ...input, parameters, after, stateAfter: stateVectors(state, size) });
  return { after, state };
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
  const { spec, n, survivors, lanes, before } = input;
  const decoded = decodeSum({
    lanes,
    spec: spec.encoding,
    n,
    survivors,
    rotationSeed: input.rotationSeed,
    dimension: before.weights.length,
    extras: extrasFor(spec),
  });
  const layout = layoutOf(spec, n);
  // Says that somebody has not clipped, not who.
  const pipeline = pipelineOf(spec.encoding, layout, input.rotationSeed);
  checkSum(pipeline, { lanes, survivors, weight: decoded.weight });
  const { after, state } = takeStep(spec, {
    totals: stepTotals(spec, survivors, decoded),
    mean: decoded.meanDelta,
    before: before.weights,
    stateBefore: stateVectors(before.state, before.weights.length),
  });
  const weights = roundToTypes(spec.model, after);
  requireFinite(weights, 'the new model');
  requireFinite(state, 'the state of the strategy');
  return {
    after: { weights, state },
    afterHash: hashModel(spec.model, weights),
    stateHash: stateHashOf(strategyOf(spec), spec.model, state),
    ...totalsOf(spec, decoded),
  };
};

/** A plain loop: every member of every cohort does this. */
const requireFinite = (values: Float32Array, what: string): void => {
  for (let i = 0; i < values.length; i += 1)
    if (!Number.isFinite(values[i]))
      throw new FloeError('update_not_finite', `value ${i} of ${what} is not finite`);
};

const totalsOf = (spec: RunSpec, { weight, clipped, metrics }: ExtraTotals): RoundTotals => ({
  weight,
  clipped,
  metrics: spec.metrics.map(({ name }, i) => ({ name, sum: metrics[i]! })),
});

/**
 * The step, and the commitment to the sum that it comes from. @throws FloeError as
 * {@link stepRound}
 */
export const finishRound = (input: StepInput): RoundResult => {
  const { spec, n, lanes } = input;
  const layout = layoutOf(spec, n);
  const step = stepRound(input);
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
  readonly block: number;
  readonly lanes: Lanes;
  readonly extras: Lanes;
}

/**
 * What the extra lanes say, and whether the step moved the coordinates of one block as the sum
 * says: those of the model and those of the state.
 *
 * @returns `differs`: a coordinate of the block with another value, or -1
 * @throws FloeError `weight_sum_out_of_range`, `mean_out_of_range`
 */
export const checkBlock = (input: BlockInput): RoundTotals & { readonly differs: number } => {
  const { spec, n, survivors, before, after, block, lanes } = input;
  const layout = layoutOf(spec, n);
  const totals = readExtras(input.extras, spec.encoding, layout, extrasFor(spec), survivors);
  const pipeline = pipelineOf(spec.encoding, layout, input.rotationSeed);
  checkSum(pipeline, { lanes, block, survivors, weight: totals.weight });
  const decode = blockDecoder(pipeline, totals.weight);
  const { coordinates, values } = decode(lanes, block);
  const size = before.weights.length;
  const gather = (from: Float32Array): Float32Array =>
    Float32Array.from(coordinates, (i) => from[i] ?? 0);
  const stepped = takeStep(spec, {
    totals: stepTotals(spec, survivors, totals),
    mean: values,
    before: gather(before.weights),
    stateBefore: stateVectors(before.state, size).map(gather),
  });
  const expected = [
    roundValues(spec.model, coordinates, stepped.after),
    ...stateVectors(stepped.state, values.length),
  ];
  const committed = [after.weights, ...stateVectors(after.state, size)];
  const differs = coordinates.findIndex(
    (i, g) => i < size && expected.some((vector, k) => !Object.is(vector[g], committed[k]?.[i])),
  );
  return { ...totalsOf(spec, totals), differs: differs === -1 ? -1 : coordinates[differs]! };
};

/** Whether two results commit to the same sum. */
export const sameAggregate = (a: RoundResult['aggregate'], b: RoundResult['aggregate']): boolean =>
  a.size === b.size && equalBytes(a.chunkRoot, b.chunkRoot);

/** Whether totals are those of a commit. */
export const sameTotals = (a: RoundTotals, b: RoundTotals): boolean =>
  a.weight === b.weight &&
  a.clipped === b.clipped &&
  a.metrics.length === b.metrics.length &&
  a.metrics.every(({ name, sum }, i) => name === b.metrics[i]?.name && sum === b.metrics[i].sum);
