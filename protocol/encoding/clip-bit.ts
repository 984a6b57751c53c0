/**
 * @module The clip bit of an update where the clip norm is adaptive, in the lane that holds it: how
 * a participant writes it, and the share of the updates within the norm that a sum says. Without
 * privacy the lane counts the shortened updates. With privacy it is +16 or -16 with the
 * participant's noise, modulo 2^b (privacy/adaptive-clipping.ts).
 */
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../ports/random.ts';
import { BIT_SCALE } from '../privacy/adaptive-clipping.ts';
import type { EncodingSpec, RingLayout } from './layout.ts';
import { laneMask, type Lanes } from './lanes.ts';
import { CONFIDENCE, noiseLimit } from './norm.ts';
import { addNoise, bitNoiseOfSum } from './stages/noise.ts';

/** Whether the lane of the clip bit has noise in a sum, and is no count. */
export const isNoisyBit = ({ clipping, noise }: EncodingSpec): boolean =>
  clipping !== undefined && noise !== undefined;

/** Whether a participant sends its bit as it is: to a sum without noise, or without its own. */
export const sendsPlainBit = ({ clipping, noise }: EncodingSpec): boolean =>
  noise === undefined || (noise.isCentral === true && clipping !== undefined);

/** @param lane of the clip bit, one of it @param random as of the noise stage */
export const writeNoisyBit = (
  lane: Lanes,
  spec: EncodingSpec,
  { modulusBits, segments }: RingLayout,
  isClipped: boolean,
  random: RandomSource | undefined,
): void => {
  lane[0] = (isClipped ? -BIT_SCALE : BIT_SCALE) & laneMask(modulusBits);
  addNoise(lane, modulusBits, bitNoiseOfSum(spec, segments, 1).variance, random);
};

/**
 * b: the share of the survivors whose update was within the clip norm; with noise it may lie
 * outside of 0 to 1.
 *
 * @param lane the sum in the lane of the clip bit
 * @throws FloeError `weight_sum_out_of_range` for a sum that honest bits and their noise do not
 *   have, once in 2^40
 */
export const shareWithin = (
  lane: number,
  spec: EncodingSpec,
  { modulusBits, segments }: RingLayout,
  survivors: number,
): number => {
  if (!isNoisyBit(spec)) return (survivors - lane) / survivors;
  const shift = 32 - modulusBits;
  const sum = (lane << shift) >> shift;
  const noise = bitNoiseOfSum(spec, segments, survivors);
  const most = survivors * BIT_SCALE + noiseLimit(1, noise, CONFIDENCE);
  if (Math.abs(sum) > most)
    throw new FloeError(
      'weight_sum_out_of_range',
      `expected clip bits whose noisy sum is at most ${most.toPrecision(6)}, got ${sum}`,
    );
  return (sum / (BIT_SCALE * survivors) + 1) / 2;
};
