/**
 * @module The sum of a cohort's lanes as the weighted mean update, whole or one block. Whoever
 * recomputes a round must get the same bits, so the float operations have one fixed order and are all
 * IEEE 754 additions, multiplications, divisions and square roots.
 */
import { FloeError } from '../errors.ts';
import { readExtras, type ExtraTotals } from './extras.ts';
import {
  plainCoordinates,
  quantisationStep,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import { blockOf, type Lanes } from './lanes.ts';
import { blockNormLimit, meanNormLimit } from './norm.ts';
import { coordinatesOf, planRotation, rotateBlockBack, rotationGain } from './rotation.ts';

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

/** Sum of the squares of lanes as integers, in order, so that everybody gets the same bits. */
const energyOf = (lanes: Lanes, modulusBits: number): number => {
  const shift = 32 - modulusBits;
  let sum = 0;
  if (lanes instanceof Uint16Array)
    for (let i = 0; i < lanes.length; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  else for (let i = 0; i < lanes.length; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  return sum;
};

/** Sums of squares of parts of a mean, as norms in units of the update. */
const normOf = (energy: number, spec: EncodingSpec, layout: RingLayout, weight: number): number =>
  (Math.sqrt(energy) * quantisationStep(spec, layout) * spec.weightCap) / weight;

const requireNorm = (what: string, norm: number, limit: number): void => {
  if (norm <= limit) return;
  throw new FloeError(
    'mean_out_of_range',
    `expected ${what} of norm at most ${limit.toPrecision(6)}, got ${norm.toPrecision(6)}`,
    { norm, limit },
  );
};

/**
 * Refuses a mean that is longer than that of clipped updates can be, whole or in one block.
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
  const energies = Array.from({ length: layout.blocks }, (_, block) =>
    energyOf(blockOf(lanes, layout, block), layout.modulusBits),
  );
  const whole = energies.reduce((a, b) => a + b);
  const limit = meanNormLimit(spec, layout, survivors, weight);
  requireNorm('a mean', normOf(whole, spec, layout, weight), limit);
  const most = blockNormLimit(spec, layout, survivors, weight);
  for (const energy of energies)
    requireNorm('a block of the mean', normOf(energy, spec, layout, weight), most);
};

/**
 * The same for one block alone.
 *
 * @param lanes of the block
 * @throws FloeError `mean_out_of_range`
 */
export const checkBlockNorm = (
  lanes: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  survivors: number,
  weight: number,
): void => {
  const norm = normOf(energyOf(lanes, layout.modulusBits), spec, layout, weight);
  requireNorm('a block of the mean', norm, blockNormLimit(spec, layout, survivors, weight));
};

/** The values of one block of the mean, and the coordinates of the model that they belong to. */
export interface MeanBlock {
  /** Of `layout.dimension` and above: padding. */
  readonly coordinates: Int32Array;
  readonly values: Float32Array;
}

/**
 * @param lanes of the block, `layout.blockSize` of them
 * @returns valid until the next call
 */
export type BlockDecoder = (lanes: Lanes, block: number) => MeanBlock;

/**
 * What decodes the blocks of one sum, in any order.
 *
 * @param weight sum of the capped example counts, above 0
 * @throws FloeError `spec_invalid` for a seed of another length
 */
export const blockDecoder = (
  spec: EncodingSpec,
  layout: RingLayout,
  rotationSeed: Uint8Array,
  weight: number,
): BlockDecoder => {
  const rotation = spec.rotation ? planRotation(layout, rotationSeed) : undefined;
  const gain = rotation === undefined ? 1 : rotationGain(layout);
  const factor = (quantisationStep(spec, layout) / gain) * (spec.weightCap / weight);
  const x = new Float64Array(layout.blockSize);
  const values = new Float32Array(layout.blockSize);
  return (lanes, block) => {
    centre(lanes, layout.modulusBits, x);
    if (rotation) rotateBlockBack(x, rotation, block);
    for (let g = 0; g < x.length; g += 1) values[g] = x[g]! * factor;
    const coordinates = rotation ? coordinatesOf(rotation, block) : plainCoordinates(layout, block);
    return { coordinates, values };
  };
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
  const totals = readExtras(lanes.subarray(layout.padded), spec, layout, extras, survivors);
  const decode = blockDecoder(spec, layout, rotationSeed, totals.weight);
  const meanDelta = new Float32Array(dimension);
  const { blocks, blockSize } = layout;
  for (let block = 0; block < blocks; block += 1) {
    const { coordinates, values } = decode(blockOf(lanes, layout, block), block);
    for (let g = 0; g < blockSize; g += 1) {
      const i = coordinates[g]!;
      if (i < dimension) meanDelta[i] = values[g]!;
    }
  }
  return { ...totals, meanDelta };
};
