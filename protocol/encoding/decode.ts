/**
 * @module The sum of a cohort's lanes as the weighted mean update, whole or one block: backwards
 * through the stages of the encoding. Whoever recomputes a round must get the same bits, so the
 * float operations have one fixed order and are all IEEE 754 additions, multiplications, divisions
 * and square roots.
 */
import { FloeError } from '../errors.ts';
import { atOnce, type Steps } from '../steps.ts';
import { LANES_PER_STEP } from './encode.ts';
import { readExtras, type ExtraTotals } from './extras.ts';
import { ringLayout, type EncodingSpec, type ExtraSpec, type Shape } from './layout.ts';
import type { Lanes } from './lanes.ts';
import { pipelineOf, type SegmentPipeline } from './pipeline.ts';
import type { MeanBlock, SumTotals } from './stages/stage.ts';

export interface SumInput {
  /** Sum of the survivors' lanes mod 2^b, without masks. Not changed. */
  readonly lanes: Lanes;
  readonly spec: EncodingSpec;
  /** Size of the cohort, which fixes b. */
  readonly n: number;
  /** How many encodings were summed; 1 to n. */
  readonly survivors: number;
  readonly rotationSeed: Uint8Array;
  /** Coordinates of the update, or all segments. */
  readonly dimension: Shape;
  readonly extras?: readonly ExtraSpec[];
}

export interface DecodedSum extends ExtraTotals {
  /** sum(w_i * clip(delta_i)) / sum(w_i), d values. */
  readonly meanDelta: Float32Array;
  /** The means of all segments, that of the update first. */
  readonly means: readonly Float32Array[];
}

/**
 * @param lanes of the block, `blockSize` of them
 * @param block within the segment
 * @returns valid until the next call
 */
export type BlockDecoder = (lanes: Lanes, block: number) => MeanBlock;

/** What decodes the blocks of one segment of a sum, in any order. */
export const blockDecoder = (
  { segment, stages, deal, quantiser }: SegmentPipeline,
  totals: SumTotals,
): BlockDecoder => {
  const factor = quantiser.toMean(totals);
  const backwards = stages.toReversed();
  const x = new Float64Array(segment.blockSize);
  const values = new Float32Array(segment.blockSize);
  return (lanes, block) => {
    quantiser.centre(lanes, x);
    for (const { server } of backwards) server.values?.(x, block);
    for (let g = 0; g < x.length; g += 1) values[g] = x[g]! * factor;
    return { coordinates: deal.coordinates(block), values };
  };
};

/** As {@link decodeBlocks}, in steps: yields 0 now and then. */
export const decodeSteps = function* (
  pipeline: SegmentPipeline,
  lanes: Lanes,
  totals: SumTotals,
): Steps<Float32Array> {
  const { segment, stages } = pipeline;
  const { blocks, blockSize, dimension, firstLane } = segment;
  const decode = blockDecoder(pipeline, totals);
  let mean: Float32Array = new Float32Array(dimension);
  const blocksPerStep = Math.ceil(LANES_PER_STEP / blockSize);
  for (let block = 0, from = firstLane; block < blocks; block += 1, from += blockSize) {
    const { coordinates, values } = decode(lanes.subarray(from, from + blockSize), block);
    for (let g = 0; g < blockSize; g += 1) {
      const i = coordinates[g]!;
      if (i < dimension) mean[i] = values[g]!;
    }
    if (block % blocksPerStep === blocksPerStep - 1) yield 0;
  }
  for (const { server } of stages.toReversed()) mean = server.mean?.(mean) ?? mean;
  return mean;
};

/**
 * The server's side of the stages of one segment: the mean over all its coordinates.
 *
 * @param lanes of the whole vector
 */
export const decodeBlocks = (...given: Parameters<typeof decodeSteps>): Float32Array =>
  atOnce(decodeSteps(...given));

/** What the positions of a block say of the model's coordinates. */
export const spreadIn = ({ stages }: SegmentPipeline, block: MeanBlock): MeanBlock =>
  stages.toReversed().reduce((of, { server }) => server.spread?.(of) ?? of, block);

/** The coordinates of a segment that no block of it reaches: their mean is 0. */
export const unreachedIn = ({ stages }: SegmentPipeline): Int32Array =>
  stages.find(({ server }) => server.unreached)?.server.unreached?.() ?? new Int32Array();

/**
 * @example const { meanDelta, weight } = decodeSum({ lanes: acc, spec, n: 10, survivors: 9,
 * rotationSeed, dimension });
 * @returns the mean, the total weight, how many were clipped, and the sum of each metric
 * @throws FloeError `weight_sum_out_of_range` when the extra lanes cannot come from `survivors`
 * honest encodings; `upload_mismatch` when the lanes do not fit the layout; `spec_invalid`,
 * `encoding_overflow` as `ringLayout`
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
  const { weight } = totals;
  const means = pipelineOf(spec, layout, rotationSeed).segments.map((pipeline) =>
    decodeBlocks(pipeline, lanes, { survivors, weight }),
  );
  return { ...totals, meanDelta: means[0]!, means };
};
