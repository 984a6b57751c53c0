/**
 * @module What a round's arithmetic is made of, for everyone alike: the layout of the ring vector, the metrics that travel in
 * it, the seed of the rotation, the fold of uploads into one accumulator, and the step of the server optimiser. All of it is
 * bit-exact: integers, or float operations in one fixed order.
 */
import { sha256, utf8, equalBytes } from '../bytes.ts';
import {
  addInto,
  blockDecoder,
  checkBlockNorm,
  checkMeanNorm,
  createLanes,
  decodeSum,
  pack,
  readExtras,
  ringLayout,
  unpack,
} from '../encoding/index.ts';
import type { ExtraTotals, Lanes, RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { rootOfHashes } from '../records/merkle.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { hashModel, parameterCount, roundToTypes, roundValues } from '../model/index.ts';
import { leafHashes } from '../encoding/leaves.ts';
import { extrasOf, type NamedSum } from './metrics.ts';

/** The layout of an upload for a cohort of `n`. @throws FloeError `encoding_overflow` when the ring is too small for it */
export const layoutOf = (spec: RunSpec, n: number): RingLayout =>
  ringLayout(spec.encoding, n, parameterCount(spec.model), extrasOf(spec.metrics));

/** Blocks of the sum of any cohort: they follow from the model alone. */
export const blocksOf = (spec: RunSpec): number => layoutOf(spec, spec.cohort.minimum).blocks;

/**
 * Seed of the shared rotation: public, fresh per round, bound to the model and the cohort. It depends neither on masks nor on the
 * beacon: masked and unmasked runs of equal inputs agree, and so do a run on a chain, whose beacon nobody can repeat, and a local
 * one. The rotation guards nothing; it spreads the error of rounding.
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
  /** w_{t+1}, flat, as the types of its tensors hold it. */
  readonly after: Float32Array;
  readonly afterHash: Uint8Array;
}

export interface RoundResult extends RoundStep {
  /** The leaf hashes of S: they go into the gated bundle. */
  readonly sumLeaves: readonly Uint8Array[];
  /** Commitment to S: size and chunk root of its packed form. */
  readonly aggregate: { readonly chunkRoot: Uint8Array; readonly size: number };
}

/** FedAvg (McMahan et al. 2017, algorithm 1): w + eta * mean, rounded to float32 once. */
const fedAvg = (before: number, mean: number, learningRate: number): number =>
  Math.fround(before + learningRate * mean);

export interface StepInput {
  readonly spec: RunSpec;
  readonly n: number;
  readonly survivors: number;
  readonly lanes: Lanes;
  readonly before: Float32Array;
  readonly rotationSeed: Uint8Array;
}

/**
 * From the unmasked sum to the next model.
 *
 * @param lanes S, mod 2^b @param n size of the cohort @param survivors how many uploads are in the sum
 * @throws FloeError `weight_sum_out_of_range`, `mean_out_of_range`, `update_not_finite` when the step leaves the floats
 */
const stepRound = (input: StepInput): RoundStep => {
  const { spec, n, survivors, lanes, before } = input;
  const decoded = decodeSum({
    lanes,
    spec: spec.encoding,
    n,
    survivors,
    rotationSeed: input.rotationSeed,
    dimension: before.length,
    extras: extrasOf(spec.metrics),
  });
  const layout = layoutOf(spec, n);
  // Says that somebody has not clipped, not who.
  checkMeanNorm(lanes, spec.encoding, layout, survivors, decoded.weight);
  const { learningRate } = spec.optimiser;
  const exact = new Float32Array(before.length);
  for (let i = 0; i < exact.length; i += 1)
    exact[i] = fedAvg(before[i]!, decoded.meanDelta[i]!, learningRate);
  const after = roundToTypes(spec.model, exact);
  requireFinite(after);
  return { after, afterHash: hashModel(spec.model, after), ...totalsOf(spec, decoded) };
};

/** A plain loop: every member of every cohort does this. */
const requireFinite = (after: Float32Array): void => {
  for (let i = 0; i < after.length; i += 1)
    if (!Number.isFinite(after[i]))
      throw new FloeError('update_not_finite', `parameter ${i} of the new model is not finite`);
};

const totalsOf = (spec: RunSpec, { weight, clipped, metrics }: ExtraTotals): RoundTotals => ({
  weight,
  clipped,
  metrics: spec.metrics.map(({ name }, i) => ({ name, sum: metrics[i]! })),
});

/** The step, and the commitment to the sum that it comes from. @throws FloeError as {@link stepRound} */
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
  readonly after: Float32Array;
  readonly block: number;
  readonly lanes: Lanes;
  readonly extras: Lanes;
}

/**
 * What the extra lanes say, and whether the step moved the coordinates of one block as the sum says.
 *
 * @returns `differs`: the first coordinate of the block with another value, or -1
 * @throws FloeError `weight_sum_out_of_range`, `mean_out_of_range`
 */
export const checkBlock = (input: BlockInput): RoundTotals & { readonly differs: number } => {
  const { spec, n, survivors, before, after, block, lanes } = input;
  const layout = layoutOf(spec, n);
  const extras = readExtras(input.extras, spec.encoding, layout, extrasOf(spec.metrics), survivors);
  checkBlockNorm(lanes, spec.encoding, layout, survivors, extras.weight);
  const decode = blockDecoder(spec.encoding, layout, input.rotationSeed, extras.weight);
  const { coordinates, values } = decode(lanes, block);
  const { learningRate } = spec.optimiser;
  const exact = values.map((value, g) => fedAvg(before[coordinates[g]!] ?? 0, value, learningRate));
  const rounded = roundValues(spec.model, coordinates, exact);
  const differs = coordinates.findIndex(
    (i, g) => i < after.length && !Object.is(rounded[g], after[i]),
  );
  return { ...totalsOf(spec, extras), differs: differs === -1 ? -1 : coordinates[differs]! };
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
