/**
 * @module Refuses a sum whose mean is longer than that of clipped updates can be: the bounds are in
 * norm.ts.
 */
import { FloeError } from '../errors.ts';
import { blockOf, type Lanes } from './lanes.ts';
import { quantisationStep, type EncodingSpec, type RingLayout } from './layout.ts';
import { blockNormLimit, meanNormLimit } from './norm.ts';

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
 * @param layout of the cohort @param survivors how many encodings are in `lanes` @param weight sum
 *   of their capped counts
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
