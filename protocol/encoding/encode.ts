/**
 * @module One participant's update as ring elements: clip, weight, rotate, scale, clamp, round stochastically, reduce mod 2^b.
 */
import { FloeError } from '../errors.ts';
import { writeExtras } from './extras.ts';
import {
  ENCODING_LIMITS,
  maxLevel,
  quantisationStep,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import { createLanes, laneMask, type Lanes } from './lanes.ts';
import { rotate, rotationGain } from './rotation.ts';
import type { RandomSource } from '../random.ts';

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
  /** For the rounding: 2 bytes a coordinate, at most 65,536 a call. A CSPRNG outside of simulations: whoever knows it learns more than the rounded update. */
  readonly random: RandomSource;
}

export interface EncodedUpdate {
  readonly lanes: Lanes;
  readonly layout: RingLayout;
  /** L2 norm of `delta`, before clipping. */
  readonly norm: number;
  readonly clipped: boolean;
  /** min(examples, weightCap). */
  readonly weight: number;
}

/** L2 norm in float64, summed in order. @throws FloeError `update_not_finite` naming the first index. */
const finiteNorm = (delta: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < delta.length; i += 1) sum += delta[i]! * delta[i]!;
  // Squares of finite float32 values cannot overflow float64, so the sum tells whether all are finite.
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

const CHUNK_BYTES = 65_536;
const CHUNK = CHUNK_BYTES / 2;

/**
 * lanes[i] = floor(clamp(x[i] * factor, -L, L) + u) mod 2^b, u uniform over (k + 1/2) / 2^16. Sixteen bits bias a coordinate by
 * at most 2^-17 of a step.
 */
const roundStochastically = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Lanes,
  mask: number,
  random: RandomSource,
): void => {
  for (let start = 0; start < x.length; start += CHUNK) {
    const end = Math.min(start + CHUNK, x.length);
    const bytes = random((end - start) * 2);
    if (bytes.length !== (end - start) * 2)
      throw new FloeError(
        'internal',
        `expected ${(end - start) * 2} random bytes, got ${bytes.length}`,
      );
    for (let i = start, r = 0; i < end; i += 1, r += 2) {
      const u = ((bytes[r]! | (bytes[r + 1]! << 8)) + 0.5) / 65_536;
      let value = x[i]! * factor;
      if (value > level) value = level;
      else if (value < -level) value = -level;
      lanes[i] = Math.floor(value + u) & mask;
    }
  }
};

/**
 * Encodes an update for masking. The expectation of the sum over a cohort is the weighted sum of the clipped updates, apart
 * from what the clamp at 4.5 deviations cuts off (see error.ts). Every step but the rounding is deterministic.
 *
 * @example
 * const { lanes, layout } = encodeUpdate({ delta, examples: 600, spec, n: 10, rotationSeed, random: randomBytes });
 * @throws FloeError `update_not_finite`, `weight_out_of_range`, `metric_out_of_range`, `encoding_overflow`, `spec_invalid`
 */
export const encodeUpdate = (input: UpdateInput): EncodedUpdate => {
  const { delta, examples, metrics = [], extras = [], spec, n, rotationSeed, random } = input;
  const layout = ringLayout(spec, n, delta.length, extras);
  if (!Number.isInteger(examples) || examples < 1 || examples > ENCODING_LIMITS.weight)
    throw new FloeError(
      'weight_out_of_range',
      `expected an integer from 1 to ${ENCODING_LIMITS.weight} examples, got ${examples}`,
    );
  const norm = finiteNorm(delta);
  const clipped = norm > spec.clipNorm;
  const weight = Math.min(examples, spec.weightCap);
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  writeExtras(lanes, spec, layout, extras, { weight, clipped, metrics });

  const share = ((clipped ? spec.clipNorm / norm : 1) * weight) / spec.weightCap;
  const x = new Float64Array(layout.padded);
  for (let i = 0; i < delta.length; i += 1) x[i] = delta[i]! * share;
  let gain = 1;
  if (spec.rotation) {
    rotate(x, layout, rotationSeed);
    gain = rotationGain(layout);
  }
  const factor = 1 / (quantisationStep(spec, layout) * gain);
  roundStochastically(x, factor, maxLevel(spec), lanes, laneMask(layout.modulusBits), random);
  return { lanes, layout, norm, clipped, weight };
};
