/**
 * @module One participant's update as ring elements: through the stages of the encoding, block by
 * block, so that it needs the memory of one block.
 */
import { FloeError } from '../errors.ts';
import { writeExtras } from './extras.ts';
import {
  ENCODING_LIMITS,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import { blockOf, createLanes, type Lanes } from './lanes.ts';
import { pipelineOf, type Pipeline } from './pipeline.ts';
import type { ScaledVector } from './stages/stage.ts';
import type { RandomSource } from '../ports/random.ts';

export interface UpdateInput {
  /** Local model minus global model, d values. Not changed. */
  readonly delta: Float32Array;
  /** Number of examples trained on; integer, 1 to 1e8. */
  readonly examples: number;
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
   * whoever knows it learns more than the rounded update.
   */
  readonly random: RandomSource;
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
  /** min(examples, weightCap). */
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

/**
 * The participant's side of the stages.
 *
 * @param weight what the update counts for: min(examples, weightCap)
 * @param lanes those of the blocks are filled
 * @throws FloeError `update_not_finite`
 */
export const encodeBlocks = (
  { layout, stages, deal, quantiser }: Pipeline,
  delta: Float32Array,
  weight: number,
  weightCap: number,
  lanes: Lanes,
): { readonly norm: number; readonly clipped: boolean } => {
  const norm = finiteNorm(delta);
  let vector: ScaledVector = { values: delta, factor: 1, norm, clipped: false };
  for (const { participant } of stages) vector = participant.update?.(vector) ?? vector;
  const { clipped } = vector;
  const share = { ...vector, factor: (vector.factor * weight) / weightCap };
  const x = new Float64Array(layout.blockSize);
  for (let block = 0; block < layout.blocks; block += 1) {
    deal.take(share, block, x);
    for (const { participant } of stages) participant.values?.(x, block);
    const own = blockOf(lanes, layout, block);
    quantiser.round(x, own);
    for (const { participant } of stages) participant.lanes?.(own, block);
  }
  return { norm, clipped };
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
export const encodeUpdate = (input: UpdateInput): EncodedUpdate => {
  const { delta, examples, metrics = [], extras = [], spec, n, rotationSeed, random } = input;
  const layout = ringLayout(spec, n, delta.length, extras);
  if (!Number.isInteger(examples) || examples < 1 || examples > ENCODING_LIMITS.weight)
    throw new FloeError(
      'weight_out_of_range',
      `expected an integer from 1 to ${ENCODING_LIMITS.weight} examples, got ${examples}`,
    );
  const weight = Math.min(examples, spec.weightCap);
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  const pipeline = pipelineOf(spec, layout, rotationSeed, random);
  const { norm, clipped } = encodeBlocks(pipeline, delta, weight, spec.weightCap, lanes);
  writeExtras(lanes, spec, layout, extras, { weight, clipped, metrics });
  return { lanes, layout, norm, clipped, weight };
};
