/**
 * @module One participant's update as ring elements: clip, weight, rotate, scale, clamp, round
 * stochastically, reduce mod 2^b. Block by block, so that it needs the memory of one block.
 */
import { FloeError } from '../errors.ts';
import { writeExtras } from './extras.ts';
import {
  BLOCK_ENERGY,
  ENCODING_LIMITS,
  maxLevel,
  quantisationStep,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import { blockOf, createLanes, laneMask, type Lanes } from './lanes.ts';
import {
  blockEnergies,
  dealBlock,
  planRotation,
  rotateBlock,
  rotationGain,
  type Rotation,
} from './rotation.ts';
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
  /** For the rounding: 2 bytes a coordinate, at most 65,536 a call. A CSPRNG outside of simulations: whoever knows it learns more than the rounded update. */
  readonly random: RandomSource;
}

export interface EncodedUpdate {
  readonly lanes: Lanes;
  readonly layout: RingLayout;
  /** L2 norm of `delta`, before clipping. */
  readonly norm: number;
  /** Whether the update was shortened: to the clip norm, or because one rotation block held too much. */
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

/**
 * What an update is multiplied by so that its norm is at most C and no rotation block holds more than
 * its share of the energy; 1 where both hold.
 */
const clipFactor = (
  delta: Float32Array,
  norm: number,
  spec: EncodingSpec,
  rotation: Rotation | undefined,
): number => {
  const toNorm = norm > spec.clipNorm ? spec.clipNorm / norm : 1;
  if (rotation === undefined) return toNorm;
  const fullest = blockEnergies(rotation, delta).reduce((a, b) => Math.max(a, b));
  const limit = spec.clipNorm * Math.sqrt(BLOCK_ENERGY / rotation.blocks);
  const inBlock = Math.sqrt(fullest);
  return rotation.blocks > 1 && inBlock > limit ? Math.min(toNorm, limit / inBlock) : toNorm;
};

/** u of one coordinate, from two bytes. */
const fraction = (bytes: Uint8Array, i: number): number =>
  ((bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) + 0.5) / 65_536;

const clamp = (value: number, level: number): number =>
  value > level ? level : value < -level ? -level : value;

// One loop for each element type, as in lanes.ts.
const round16 = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Uint16Array,
  mask: number,
  bytes: Uint8Array,
): void => {
  for (let i = 0; i < x.length; i += 1)
    lanes[i] = Math.floor(clamp(x[i]! * factor, level) + fraction(bytes, i)) & mask;
};
const round32 = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Uint32Array,
  mask: number,
  bytes: Uint8Array,
): void => {
  for (let i = 0; i < x.length; i += 1)
    lanes[i] = Math.floor(clamp(x[i]! * factor, level) + fraction(bytes, i)) & mask;
};

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
  const bytes = random(x.length * 2);
  if (bytes.length !== x.length * 2)
    throw new FloeError('internal', `expected ${x.length * 2} random bytes, got ${bytes.length}`);
  const to = lanes instanceof Uint16Array ? round16 : round32;
  to(x, factor, level, lanes as Uint16Array & Uint32Array, mask, bytes);
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
  const rotation = spec.rotation ? planRotation(layout, rotationSeed) : undefined;
  const clip = clipFactor(delta, norm, spec, rotation);
  const clipped = clip < 1;
  const weight = Math.min(examples, spec.weightCap);
  const lanes = createLanes(layout.lanes, layout.modulusBits);
  writeExtras(lanes, spec, layout, extras, { weight, clipped, metrics });

  const share = (clip * weight) / spec.weightCap;
  const gain = rotation === undefined ? 1 : rotationGain(layout);
  const factor = 1 / (quantisationStep(spec, layout) * gain);
  const { blocks, blockSize, modulusBits } = layout;
  const x = new Float64Array(blockSize);
  for (let block = 0; block < blocks; block += 1) {
    if (rotation) {
      dealBlock(rotation, delta, share, block, x);
      rotateBlock(x, rotation, block);
    } else
      for (let g = 0; g < blockSize; g += 1) x[g] = (delta[block * blockSize + g] ?? 0) * share;
    const own = blockOf(lanes, layout, block);
    roundStochastically(x, factor, maxLevel(spec), own, laneMask(modulusBits), random);
  }
  return { lanes, layout, norm, clipped, weight };
};
