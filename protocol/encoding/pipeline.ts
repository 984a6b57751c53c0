/**
 * @module The stages of an encoding in the order of the participant: subsample or multiply, clip,
 * rotate, round, noise; masks and packing follow. After Kairouz et al. 2021 (DDGauss), section 4. A
 * further stage is a file in stages/ and a line here.
 */
import type { RandomSource } from '../ports/random.ts';
import type { EncodingSpec, RingLayout, SegmentLayout } from './layout.ts';
import { planRotation } from './rotation.ts';
import { clipStage } from './stages/clip.ts';
import { lowRankStage } from './stages/low-rank.ts';
import { noiseOfSegments, noiseStage, type OwnNoise, type SumNoise } from './stages/noise.ts';
import { quantiser } from './stages/quantise.ts';
import { plainDeal, rotatedDeal, rotateStage } from './stages/rotate.ts';
import { subsampleStage } from './stages/subsample.ts';
import type { Deal, Quantiser, Stage } from './stages/stage.ts';

/** The stages of one segment. Blocks are counted within it. */
export interface SegmentPipeline {
  readonly segment: SegmentLayout;
  /** In the order of the participant. */
  readonly stages: readonly Stage[];
  readonly deal: Deal;
  readonly quantiser: Quantiser;
}

/** In the order of the layout's segments. */
export interface Pipeline {
  readonly layout: RingLayout;
  readonly segments: readonly SegmentPipeline[];
}

/** A participant's randomness; whoever only decodes has none. */
export interface OwnRandomness extends OwnNoise {
  /** For the rounding. */
  readonly random?: RandomSource | undefined;
}

const segmentPipeline = (
  spec: EncodingSpec,
  segment: SegmentLayout,
  rotationSeed: Uint8Array,
  own: OwnRandomness,
  noise: SumNoise | undefined,
): SegmentPipeline => {
  const rotation = spec.rotation ? planRotation(segment, rotationSeed) : undefined;
  const cut = subsampleStage(segment, rotationSeed) ?? lowRankStage(segment, rotationSeed);
  const stages = [
    ...(cut === undefined ? [] : [cut]),
    clipStage(segment, rotation),
    ...(rotation === undefined ? [] : [rotateStage(segment, rotation)]),
    ...(noise === undefined ? [] : [noiseStage(spec, segment, noise, own)]),
  ];
  const gain = stages.reduce((product, stage) => product * (stage.gain ?? 1), 1);
  return {
    segment,
    stages,
    deal: rotation === undefined ? plainDeal(segment) : rotatedDeal(rotation),
    quantiser: quantiser(spec, segment, gain, own.random),
  };
};

/**
 * Segments of equal blocks have one rotation: a block of one holds the coordinates of that block of
 * the other.
 *
 * @param rotationSeed 32 bytes of public randomness; used only with rotation or compression
 * @param own at the participant
 * @throws FloeError `spec_invalid` for a seed of another length
 */
export const pipelineOf = (
  spec: EncodingSpec,
  layout: RingLayout,
  rotationSeed: Uint8Array,
  own: OwnRandomness = {},
): Pipeline => {
  const noise = noiseOfSegments(spec, layout.segments);
  return {
    layout,
    segments: layout.segments.map((segment, i) =>
      segmentPipeline(spec, segment, rotationSeed, own, noise[i]),
    ),
  };
};
