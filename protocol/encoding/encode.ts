/**
 * @module One participant's update as ring elements: through the stages of the encoding, block by
 * block, so that it needs the memory of one block.
 */
import { FloeError } from '../errors.ts';
import { isNoisyBit, sendsPlainBit, writeNoisyBit } from './clip-bit.ts';
import { writeExtras } from './extras.ts';
import {
  ENCODING_LIMITS,
  ringLayout,
  scaleOf,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
  type SegmentSpec,
} from './layout.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { pipelineOf, type SegmentPipeline } from './pipeline.ts';
import type { OwnNoise } from './stages/noise.ts';
import type { ScaledVector } from './stages/stage.ts';
import type { RandomSource } from '../ports/random.ts';
import { atOnce, type Steps } from '../steps.ts';

export interface UpdateInput {
  /** Local model minus global model, d values. Not changed. */
  readonly delta: Float32Array;
  /** All segments, that of `delta` first; `delta` alone unless told. */
  readonly segments?: readonly SegmentSpec[] | undefined;
  /** The vectors of the other segments, in order. Not changed. */
  readonly others?: readonly Float32Array[] | undefined;
  /** Number of examples trained on; integer, 1 to 1e8. */
  readonly examples: number;
  /** Whether the caller has shortened the update already. */
  readonly clipped?: boolean;
  /** In the order of `extras`; finite and >= 0. Empty unless told. */
  readonly metrics?: readonly number[];
  readonly extras?: readonly ExtraSpec[];
  readonly spec: EncodingSpec;
  /** Size of the cohort; 1 to 4096. */
  readonly n: number;
  /** 32 bytes of public randomness; the same for the whole cohort. Used only with rotation. */
  readonly rotationSeed: Uint8Array;
  /**
   * For the rounding: 2 bytes a coordinate, at most 65,536 a call. A CSPRNG outside of simulations:
   * a party that knows it learns more than the rounded update.
   */
  readonly random: RandomSource;
  /**
   * For the noise of differential privacy, of which nobody else may know anything: 4 bytes a
   * coordinate, seldom 16 more. Needed where `spec.noise` is given.
   */
  readonly noise?: RandomSource | undefined;
  /** With correlated noise: see {@link OwnNoise}. */
  readonly streams?: OwnNoise['streams'];
}

export interface EncodedUpdate {
  readonly lanes: Lanes;
  readonly layout: RingLayout;
  /** L2 norm of `delta`, before clipping. */
  readonly norm: number;
  /**
   * Whether the update was shortened: to the clip norm, or because one rotation block held too
   * much.
   */
  readonly clipped: boolean;
  /** What each segment was multiplied by before it was rounded, in order; its weight aside. */
  readonly factors: readonly number[];
  /** min(examples, weightScale): what the update counts for. */
  readonly weight: number;
}

/**
 * L2 norm in float64, summed in order. @throws FloeError `update_not_finite` naming the first
 * index.
 */
const finiteNorm = (delta: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < delta.length; i += 1) sum += delta[i]! * delta[i]!;
  // Squares of finite float32 values cannot overflow float64, so the sum tells whether all are
  // finite.
  if (!Number.isFinite(sum)) {
    const index = delta.findIndex((value) => !Number.isFinite(value));
    throw new FloeError(
      'update_not_finite',
      `expected finite values, got ${delta[index]} at index ${index}`,
      { index },
    );
  }
  return Math.sqrt(sum);
};

/** Lanes between two steps: some milliseconds of work. */
export const LANES_PER_STEP = 2 ** 18;

/** A rounding is accepted with probability 0.4 at least, so all of these fail once in 2^40. */
const MAX_ROUNDINGS = 64;

interface EncodedBlocks {
  readonly norm: number;
  readonly clipped: boolean;
  readonly factor: number;
}

/** As {@link encodeBlocks}; yields lanes done. */
const blockSteps = function* (
  { segment, stages, deal, quantiser }: SegmentPipeline,
  values: Float32Array,
  share: number,
  lanes: Lanes,
): Steps<EncodedBlocks> {
  const norm = finiteNorm(values);
  // Passes over the vector; no lanes are done with them.
  yield 0;
  let vector: ScaledVector = { values, factor: 1, norm, clipped: false };
  for (const { participant } of stages) {
    vector = participant.update?.(vector) ?? vector;
    yield 0;
  }
  const { clipped, factor } = vector;
  const shared = { ...vector, factor: factor * share };
  const { blockSize, blocks } = segment;
  const x = new Float64Array(blockSize);
  const inBlock = (block: number): Lanes =>
    lanes.subarray(block * blockSize, (block + 1) * blockSize);
  for (let tries = 1; ; tries += 1) {
    let since = 0;
    for (let block = 0; block < blocks; block += 1) {
      deal.take(shared, block, x);
      for (const { participant } of stages) participant.values?.(x, block);
      quantiser.round(x, inBlock(block));
      since += blockSize;
      if (since < LANES_PER_STEP) continue;
      // Lanes that are rounded again are no progress.
      yield tries === 1 ? since : 0;
      since = 0;
    }
    yield tries === 1 ? since : 0;
    if (stages.every(({ participant }) => participant.accepts?.(lanes) ?? true)) break;
    if (tries === MAX_ROUNDINGS)
      throw new FloeError('internal', `no rounding of ${MAX_ROUNDINGS} is within its bound`);
  }
  for (const { participant } of stages) {
    if (participant.lanes === undefined) continue;
    for (let block = 0; block < blocks; block += 1) {
      participant.lanes(inBlock(block), block);
      if (block % 8 === 7) yield 0;
    }
  }
  return { norm, clipped, factor };
};

/**
 * The participant's side of the stages of one segment.
 *
 * @param share what the vector is multiplied by: its weight over the weight scale, or 1
 * @param lanes of the segment: they are filled
 * @throws FloeError `update_not_finite`
 */
export const encodeBlocks = (...given: Parameters<typeof blockSteps>): EncodedBlocks =>
  atOnce(blockSteps(...given));

/** As {@link encodeUpdate}, in steps: yields lanes done, all lanes of the segments in the end. */
export const encodeSteps = function* (input: UpdateInput): Steps<EncodedUpdate> {
  const { delta, examples, metrics = [], extras = [], spec, n, rotationSeed } = input;
  const { segments = delta.length, others = [] } = input;
  const layout = ringLayout(spec, n, segments, extras);
  if (!Number.isInteger(examples) || examples < 1 || examples > ENCODING_LIMITS.weight)
    throw new FloeError(
      'weight_out_of_range',
      `expected an integer from 1 to ${ENCODING_LIMITS.weight} examples, got ${examples}`,
    );
  const scale = scaleOf(spec);
  const weight = Math.min(examples, scale);
  const counted = Math.min(examples, spec.weightCap);
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  const vectors = [delta, ...others];
  const encoded: EncodedBlocks[] = [];
  const { segments: pipelines } = pipelineOf(spec, layout, rotationSeed, input);
  for (const [i, pipeline] of pipelines.entries()) {
    const { name, dimension, whole, firstLane, padded, weighted } = pipeline.segment;
    const values = vectors[i];
    const expected = whole?.dimension ?? dimension;
    if (values?.length !== expected)
      throw new FloeError(
        'tensor_mismatch',
        `${name}: expected ${expected} values, got ${values?.length ?? 'none'}`,
      );
    const own = lanes.subarray(firstLane, firstLane + padded);
    encoded.push(yield* blockSteps(pipeline, values, weighted ? weight / scale : 1, own));
  }
  const { norm, clipped: shortened } = encoded[0]!;
  const clipped = shortened || input.clipped === true;
  // With privacy nothing that follows from the examples is opened without noise.
  const bit = clipped && sendsPlainBit(spec);
  writeExtras(lanes, layout, extras, { weight, examples: counted, clipped: bit, metrics });
  if (isNoisyBit(spec) && !sendsPlainBit(spec)) {
    const flag = layout.padded + 2 * layout.weightLimbs;
    writeNoisyBit(lanes.subarray(flag, flag + 1), spec, layout, clipped, input.noise);
  }
  return { lanes, layout, norm, clipped, factors: encoded.map(({ factor }) => factor), weight };
};

/**
 * Encodes an update for masking. The expectation of the sum over a cohort is the weighted sum of
 * the clipped updates, apart from what the clamp at 4.5 deviations cuts off (see error.ts). Every
 * step but the rounding is deterministic.
 *
 * @example const { lanes, layout } = encodeUpdate({ delta, examples: 600, spec, n: 10,
 * rotationSeed, random: randomBytes });
 * @throws FloeError `update_not_finite`, `weight_out_of_range`, `metric_out_of_range`,
 * `encoding_overflow`, `spec_invalid`
 */
export const encodeUpdate = (input: UpdateInput): EncodedUpdate => atOnce(encodeSteps(input));
