/**
 * @module Central noise: the coordinator of a run without masks adds all of it to the sum, before
 * anything follows from the sum. The same Skellam draws as of participants, in the same lattice.
 */
import type { RandomSource } from '../ports/random.ts';
import { BIT_SCALE } from '../privacy/adaptive-clipping.ts';
import type { EncodingSpec, RingLayout } from './layout.ts';
import { laneMask, type Lanes } from './lanes.ts';
import { addNoise, bitNoiseOfSum, noiseOfSum } from './stages/noise.ts';

/**
 * Adds the noise of a round to the sum, in place: segment by segment, then the clip bits of an
 * adaptive norm, whose count becomes what noisy bits add up to.
 *
 * @param lanes sum of the updates of `survivors` participants
 * @param random a CSPRNG; a party that knows its output can remove the noise
 */
export const addCentralNoise = (
  lanes: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  survivors: number,
  random: RandomSource,
): void => {
  const { segments, modulusBits, padded, weightLimbs } = layout;
  for (const segment of segments) {
    const { firstLane, padded: own } = segment;
    const { variance } = noiseOfSum(spec, segments, segment, survivors);
    addNoise(lanes.subarray(firstLane, firstLane + own), modulusBits, variance, random);
  }
  if (spec.clipping === undefined) return;
  const flag = padded + 2 * weightLimbs;
  lanes[flag] = (BIT_SCALE * (survivors - 2 * lanes[flag]!)) & laneMask(modulusBits);
  const { variance } = bitNoiseOfSum(spec, segments, survivors);
  addNoise(lanes.subarray(flag, flag + 1), modulusBits, variance, random);
};
