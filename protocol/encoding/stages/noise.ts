/**
 * @module Noise of differential privacy inside the masks: after the rounding each participant adds
 * Skellam noise to every coordinate, so that the sum over the smallest honest set has the agreed
 * multiplier. The rounding is repeated until the vector's norm is within the bound that the noise
 * was sized for. Agarwal, Kairouz, Liu 2021; Kairouz et al. 2021, section 4.
 */
import { FloeError } from '../../errors.ts';
import type { RandomSource } from '../../ports/random.ts';
import { createMemo } from '../../memo.ts';
import { noiseOf, type NoisySegment, type SegmentLattice } from '../../privacy/noise.ts';
import { skellamSampler, type SkellamSampler } from '../../privacy/skellam.ts';
import { centredEnergy, type Lanes } from '../lanes.ts';
import { quantisationStep, type EncodingSpec, type SegmentLayout } from '../layout.ts';
import type { Stage } from './stage.ts';

/** The segments in steps of their quantisation. */
export const latticesOf = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
): readonly SegmentLattice[] =>
  segments.map((segment) => ({
    norm: segment.clipNorm / quantisationStep(spec, segment),
    dimension: segment.padded,
  }));

/**
 * The noise of a sum of all segments, each in steps of its own quantisation; empty without privacy.
 */
export const noiseOfSegments = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
): readonly NoisySegment[] =>
  spec.noise === undefined ? [] : noiseOf(latticesOf(spec, segments), spec.noise.multiplier);

/** Variance of one participant's noise in a coordinate of this segment; 0 without privacy. */
export const noiseVariance = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
  segment: SegmentLayout,
): number => {
  const noise = noiseOfSegments(spec, segments)[segments.indexOf(segment)];
  return noise === undefined ? 0 : noise.variance / spec.noise!.honestSurvivors;
};

/** Samplers of the last variances: a table takes as long as the draws of a small model. */
const KEPT_BYTES = 64 << 20;
const KEPT = 16;
const samplers = createMemo<SkellamSampler>(KEPT_BYTES, KEPT);

const samplerOf = (variance: number): SkellamSampler => {
  const key = new Uint8Array(Float64Array.of(variance).buffer);
  const known = samplers.get(key);
  if (known !== undefined) return known;
  const made = skellamSampler(variance);
  samplers.add(key, made, made.table.upper.byteLength + made.table.lower.byteLength);
  return made;
};

/**
 * @param noise of the segment, from {@link noiseOfSegments}
 * @param random the participant's own CSPRNG; a party that knows its output can remove the noise
 */
export const noiseStage = (
  spec: EncodingSpec,
  { modulusBits }: SegmentLayout,
  noise: NoisySegment,
  random: RandomSource | undefined,
): Stage => {
  const most = noise.l2 * noise.l2;
  const variance = noise.variance / (spec.noise?.honestSurvivors ?? 1);
  return {
    name: 'noise',
    participant: {
      accepts: (lanes) => centredEnergy(lanes, modulusBits) <= most,
      lanes: (lanes: Lanes) => {
        if (random === undefined)
          throw new FloeError('internal', 'expected randomness for the noise');
        samplerOf(variance).addTo(lanes, modulusBits, random);
      },
    },
    server: {},
  };
};
