/**
 * @module Refuses a sum whose mean is longer than that of clipped updates can be: the bounds are in
 * norm.ts.
 */
import { FloeError } from '../errors.ts';
import { blockOf, centredEnergy, type Lanes } from './lanes.ts';
import { stepOfMean, type EncodingSpec, type RingLayout, type SegmentLayout } from './layout.ts';
import { blockNormLimit, meanNormLimit } from './norm.ts';
import { noiseOfSum } from './stages/noise.ts';

const requireNorm = (what: string, norm: number, limit: number): void => {
  if (norm <= limit) return;
  throw new FloeError(
    'mean_out_of_range',
    `expected ${what} of norm at most ${limit.toPrecision(6)}, got ${norm.toPrecision(6)}`,
    { norm, limit },
  );
};

const nameOf = ({ name }: SegmentLayout): string => (name === 'update' ? '' : ` of ${name}`);

/** One segment of the mean, whole and in each block. */
const checkSegment = (
  lanes: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  segment: SegmentLayout,
  survivors: number,
  weight: number,
): void => {
  const { firstBlock, blocks, modulusBits } = segment;
  // Of the ring's integers: the rotation keeps the norm, and the padding is a liar's to fill.
  const energies = Array.from({ length: blocks }, (_, block) =>
    centredEnergy(blockOf(lanes, layout, firstBlock + block), modulusBits),
  );
  const toMean = stepOfMean(spec, segment, { survivors, weight });
  const whole = energies.reduce((a, b) => a + b);
  const noise = noiseOfSum(spec, layout.segments, segment, survivors);
  const limit = meanNormLimit(spec, segment, survivors, weight, noise);
  requireNorm(`a mean${nameOf(segment)}`, Math.sqrt(whole) * toMean, limit);
  const most = blockNormLimit(spec, segment, survivors, weight, noise);
  for (const energy of energies)
    requireNorm(`a block of the mean${nameOf(segment)}`, Math.sqrt(energy) * toMean, most);
};

/**
 * Refuses a mean that is longer than that of clipped updates can be, in any segment, whole or in
 * one block.
 *
 * @param layout of the cohort @param survivors how many encodings are in `lanes` @param weight sum
 *   of what they count for
 * @throws FloeError `mean_out_of_range`
 */
export const checkMeanNorm = (
  lanes: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  survivors: number,
  weight: number,
): void => {
  for (const segment of layout.segments)
    checkSegment(lanes, spec, layout, segment, survivors, weight);
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
  { segments }: RingLayout,
  segment: SegmentLayout,
  survivors: number,
  weight: number,
): void => {
  const energy = centredEnergy(lanes, segment.modulusBits);
  const norm = Math.sqrt(energy) * stepOfMean(spec, segment, { survivors, weight });
  const noise = noiseOfSum(spec, segments, segment, survivors);
  const limit = blockNormLimit(spec, segment, survivors, weight, noise);
  requireNorm(`a block of the mean${nameOf(segment)}`, norm, limit);
};
