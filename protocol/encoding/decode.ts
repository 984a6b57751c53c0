/**
 * @module The sum of a cohort's lanes as the weighted mean update. Whoever recomputes a round must get the same bits, so the
 * float operations have one fixed order and are all IEEE 754 additions, multiplications, divisions and square roots.
 */
import { FloeError } from '../errors.ts';
import { readExtras, type ExtraTotals } from './extras.ts';
import {
  quantisationStep,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import type { Lanes } from './lanes.ts';
import { meanNormLimit } from './norm.ts';
import { rotateBack, rotationGain } from './rotation.ts';

export interface SumInput {
  /** Sum of the survivors' lanes mod 2^b, without masks. Not changed. */
  readonly lanes: Lanes;
  readonly spec: EncodingSpec;
  /** Size of the cohort, which fixes b. */
  readonly n: number;
  /** How many encodings were summed; 1 to n. */
  readonly survivors: number;
  readonly rotationSeed: Uint8Array;
  /** d: coordinates of the model. */
  readonly dimension: number;
  readonly extras?: readonly ExtraSpec[];
}

export interface DecodedSum extends ExtraTotals {
  /** sum(w_i * clip(delta_i)) / sum(w_i), d values. */
  readonly meanDelta: Float32Array;
}

/** Lanes stand for integers in [-2^(b-1), 2^(b-1)). One loop for each element type, as in lanes.ts. */
const centre = (lanes: Lanes, modulusBits: number, out: Float64Array): void => {
  const shift = 32 - modulusBits;
  if (lanes instanceof Uint16Array)
    for (let i = 0; i < out.length; i += 1) out[i] = (lanes[i]! << shift) >> shift;
  else for (let i = 0; i < out.length; i += 1) out[i] = (lanes[i]! << shift) >> shift;
};

/** L2 norm of the first `count` lanes as integers, summed in order, so that everybody gets the same bits. */
const normOf = (lanes: Lanes, count: number, modulusBits: number): number => {
  const shift = 32 - modulusBits;
  let sum = 0;
  if (lanes instanceof Uint16Array)
    for (let i = 0; i < count; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  else for (let i = 0; i < count; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  return Math.sqrt(sum);
};

/**
 * Refuses a mean that is longer than that of clipped updates can be.
 *
 * @param layout of the cohort @param survivors how many encodings are in `lanes` @param weight sum of their capped counts
 * @throws FloeError `mean_out_of_range`
 */
export const checkMeanNorm = (
  lanes: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  survivors: number,
  weight: number,
): void => {
  // Of the ring's integers: the rotation keeps the norm, and the padding is a liar's to fill.
  const steps = normOf(lanes, layout.padded, layout.modulusBits);
  const norm = (steps * quantisationStep(spec, layout) * spec.weightCap) / weight;
  const limit = meanNormLimit(spec, layout, survivors, weight);
  if (norm > limit)
    throw new FloeError(
      'mean_out_of_range',
      `expected a mean of norm at most ${limit.toPrecision(6)}, got ${norm.toPrecision(6)}`,
      { norm, limit },
    );
};

/**
 * @example const { meanDelta, weight } = decodeSum({ lanes: acc, spec, n: 10, survivors: 9, rotationSeed, dimension });
 * @returns the mean, the total weight, how many were clipped, and the sum of each metric
 * @throws FloeError `weight_sum_out_of_range` when the extra lanes cannot come from `survivors` honest encodings;
 * `upload_mismatch` when the lanes do not fit the layout; `spec_invalid`, `encoding_overflow` as `ringLayout`
 */
export const decodeSum = (input: SumInput): DecodedSum => {
  const { lanes, spec, n, survivors, rotationSeed, dimension, extras = [] } = input;
  const layout = ringLayout(spec, n, dimension, extras);
  if (lanes.length !== layout.lanes || lanes.BYTES_PER_ELEMENT * 8 !== layout.laneBits)
    throw new FloeError(
      'upload_mismatch',
      `expected ${layout.lanes} lanes of ${layout.laneBits} bits, got ${lanes.length} of ` +
        `${lanes.BYTES_PER_ELEMENT * 8}`,
    );
  if (!Number.isInteger(survivors) || survivors < 1 || survivors > n)
    throw new FloeError(
      'weight_sum_out_of_range',
      `expected 1 to ${n} survivors, got ${survivors}`,
    );
  const totals = readExtras(lanes, spec, layout, extras, survivors);

  const x = new Float64Array(layout.padded);
  centre(lanes, layout.modulusBits, x);
  let gain = 1;
  if (spec.rotation) {
    rotateBack(x, layout, rotationSeed);
    gain = rotationGain(layout);
  }
  const factor = (quantisationStep(spec, layout) / gain) * (spec.weightCap / totals.weight);
  const meanDelta = new Float32Array(dimension);
  for (let i = 0; i < dimension; i += 1) meanDelta[i] = x[i]! * factor;
  return { ...totals, meanDelta };
};
