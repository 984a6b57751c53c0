/**
 * @module Noise of differential privacy inside the masks: after the rounding each participant adds
 * Skellam noise to every coordinate, so that the sum over the smallest honest set has the agreed
 * multiplier. The rounding is repeated until the vector's norm is within the bound that the noise
 * was sized for. Agarwal, Kairouz, Liu 2021; Kairouz et al. 2021, section 4.
 */
import { FloeError } from '../../errors.ts';
import type { RandomSource } from '../../ports/random.ts';
import { createMemo } from '../../memo.ts';
import { BIT_SCALE, BIT_SHARE } from '../../privacy/adaptive-clipping.ts';
import { noiseOf, type NoisySegment, type SegmentLattice } from '../../privacy/noise.ts';
import { skellamSampler, type SkellamSampler } from '../../privacy/skellam.ts';
import { centredEnergy, type Lanes } from '../lanes.ts';
import { normInSteps, type EncodingSpec, type SegmentLayout } from '../layout.ts';
import type { Stage } from './stage.ts';

/** The segments in steps of their quantisation, and the clip bit where it has noise. */
export const latticesOf = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
): readonly SegmentLattice[] => [
  ...segments.map((segment) => ({
    norm: normInSteps(spec, segment),
    dimension: segment.padded,
  })),
  ...(spec.clipping === undefined ? [] : [CLIP_BIT]),
];

/** What the clip bit of an adaptive norm is among the vectors of a sum, the last one. */
const CLIP_BIT: SegmentLattice = {
  norm: BIT_SCALE,
  dimension: 1,
  whole: true,
  share: BIT_SHARE,
};

/**
 * The noise of a sum of all segments, each in steps of its own quantisation; empty without privacy.
 */
export const noiseOfSegments = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
): readonly NoisySegment[] =>
  spec.noise === undefined ? [] : noiseOf(latticesOf(spec, segments), spec.noise.multiplier);

const partOf = ({ variance }: NoisySegment, { noise }: EncodingSpec): number =>
  variance / (noise?.honestSurvivors ?? 1);

const inSum = (spec: EncodingSpec, noise: NoisySegment | undefined, survivors: number): number => {
  if (noise === undefined) return 0;
  return spec.noise?.isCentral === true ? noise.variance : survivors * partOf(noise, spec);
};

/** Variance of the noise in a coordinate of a sum of so many; 0 without privacy. */
export const noiseOfSum = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
  segment: SegmentLayout,
  survivors: number,
): number => inSum(spec, noiseOfSegments(spec, segments)[segments.indexOf(segment)], survivors);

/** The same of the lane of the clip bit; 0 where that has no noise. */
export const bitNoiseOfSum = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
  survivors: number,
): number =>
  inSum(
    spec,
    spec.clipping === undefined ? undefined : noiseOfSegments(spec, segments).at(-1),
    survivors,
  );

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

/** Adds one participant's noise of this variance to every lane, modulo 2^bits. */
export const addNoise = (
  lanes: Lanes,
  modulusBits: number,
  variance: number,
  random: RandomSource | undefined,
): void => {
  if (random === undefined) throw new FloeError('internal', 'expected randomness for the noise');
  samplerOf(variance).addTo(lanes, modulusBits, random);
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
  const accepts = (lanes: Lanes): boolean => centredEnergy(lanes, modulusBits) <= most;
  return {
    name: 'noise',
    participant:
      spec.noise?.isCentral === true
        ? { accepts }
        : { accepts, lanes: (lanes) => addNoise(lanes, modulusBits, partOf(noise, spec), random) },
    server: {},
  };
};
