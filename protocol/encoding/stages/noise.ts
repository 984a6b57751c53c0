/**
 * @module Noise of differential privacy inside the masks: after the rounding each participant adds
 * Skellam noise to every coordinate, so that the sum over the smallest honest set has the agreed
 * multiplier; correlated noise is drawn from streams that last for the run. The rounding is
 * repeated until the vector's norm is within the bound that the noise was sized for. Agarwal,
 * Kairouz, Liu 2021; Kairouz et al. 2021, section 4; correlated noise: docs/correlated-noise.md.
 */
import { FloeError } from '../../errors.ts';
import type { RandomSource } from '../../ports/random.ts';
import { createMemo } from '../../memo.ts';
import { BIT_SCALE, BIT_SHARE } from '../../privacy/adaptive-clipping.ts';
import { bandedInverse } from '../../privacy/banded-inverse.ts';
import {
  correlatedNoise,
  noiseOfRound,
  releasedBy,
  type CorrelatedMechanism,
  type CorrelatedSegment,
} from '../../privacy/correlated.ts';
import type { RdpGuarantee } from '../../privacy/accounting/rdp.ts';
import {
  guaranteeOf,
  noiseOf,
  type NoisySegment,
  type SegmentLattice,
} from '../../privacy/noise.ts';
import type { Sensitivity } from '../../privacy/sensitivity.ts';
import { skellamSampler, type SkellamSampler } from '../../privacy/skellam.ts';
import { centredEnergy, type Lanes } from '../lanes.ts';
import { normInSteps, type EncodingSpec, type NoiseSpec, type SegmentLayout } from '../layout.ts';
import { NO_NOISE, type CoordinateNoise } from '../norm.ts';
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

/** The noise of one vector of a sum, in units of its lattice. */
export interface SumNoise {
  /** Of one participant's vector. */
  readonly one: Sensitivity;
  /** Central variance of the noise that the smallest honest set adds to one coordinate. */
  readonly variance: number;
  /** See {@link CoordinateNoise}. */
  readonly step: number;
  /** What correlated noise is drawn by; the variance is that of one sum. */
  readonly draws?: CorrelatedSegment;
}

/**
 * The noise of a sum of all segments, each in steps of its own quantisation; empty without privacy.
 */
export const noiseOfSegments = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
): readonly SumNoise[] => {
  if (spec.noise === undefined) return [];
  const { multiplier, correlated } = spec.noise;
  const lattices = latticesOf(spec, segments);
  return correlated === undefined
    ? noiseOf(lattices, multiplier).map(({ variance, ...one }) => ({ one, variance, step: 1 }))
    : correlatedNoise(lattices, multiplier, correlated).map((draws) => ({
        one: draws.one,
        ...noiseOfRound(draws, correlated.bands),
        draws,
      }));
};

/** What a participant of `rounds` rounds has released: so many uses of mechanisms. */
export interface Released {
  readonly noise: readonly NoisySegment[];
  readonly uses: number;
}

/** @param rounds 0 or more @throws FloeError `privacy_invalid` */
export const releasedAfter = (
  noise: readonly SumNoise[],
  correlated: CorrelatedMechanism | undefined,
  rounds: number,
): Released =>
  correlated === undefined
    ? { noise: noise.map(({ one, variance }) => ({ ...one, variance })), uses: rounds }
    : {
        noise: releasedBy(
          noise.flatMap(({ draws }) => draws ?? []),
          correlated.bands,
          rounds,
        ),
        uses: 1,
      };

/** What a participant of so many rounds is guaranteed. @param rounds 0 or more */
export const guaranteeAfter = (
  noise: readonly SumNoise[],
  correlated: CorrelatedMechanism | undefined,
  rounds: number,
  delta: number,
): RdpGuarantee => {
  const { noise: released, uses } = releasedAfter(noise, correlated, rounds);
  return guaranteeOf(released, uses, delta);
};

const inSum = (
  { noise }: EncodingSpec,
  found: SumNoise | undefined,
  survivors: number,
): CoordinateNoise => {
  if (found === undefined) return NO_NOISE;
  const { variance, step } = found;
  if (noise?.isCentral === true) return { variance, step };
  return { variance: (survivors * variance) / (noise?.honestSurvivors ?? 1), step };
};

/** The noise in a coordinate of a sum of so many; none without privacy. */
export const noiseOfSum = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
  segment: SegmentLayout,
  survivors: number,
): CoordinateNoise =>
  inSum(spec, noiseOfSegments(spec, segments)[segments.indexOf(segment)], survivors);

/** The same of the lane of the clip bit; none where that has no noise. */
export const bitNoiseOfSum = (
  spec: EncodingSpec,
  segments: readonly SegmentLayout[],
  survivors: number,
): CoordinateNoise =>
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

/** A participant's randomness for its noise. A party that knows its output can remove the noise. */
export interface OwnNoise {
  /** Its own CSPRNG: what is drawn here is in this sum alone. */
  readonly noise?: RandomSource | undefined;
  /**
   * With correlated noise, the streams of this attempt and of those before it, newest first. Each
   * gives the same bytes again in every attempt that it is used in.
   */
  readonly streams?: readonly RandomSource[] | undefined;
}

/** Adds E (D q)_t + v_t of one participant. */
const addCorrelated = (
  lanes: Lanes,
  modulusBits: number,
  { shared, rest }: CorrelatedSegment,
  { correlated, honestSurvivors }: NoiseSpec,
  { noise, streams }: OwnNoise,
): void => {
  const { bands } = bandedInverse(correlated?.bands ?? 1);
  if (streams === undefined || streams.length === 0 || streams.length > bands.length)
    throw new FloeError('internal', `expected 1 to ${bands.length} streams of noise`);
  const sampler = samplerOf(shared / honestSurvivors);
  for (const [k, stream] of streams.entries()) sampler.addTo(lanes, modulusBits, stream, bands[k]);
  if (rest > 0) addNoise(lanes, modulusBits, rest / honestSurvivors, noise);
};

/**
 * @param found of the segment, from {@link noiseOfSegments}
 */
export const noiseStage = (
  spec: EncodingSpec,
  { modulusBits }: SegmentLayout,
  found: SumNoise,
  own: OwnNoise,
): Stage => {
  const { one, variance, draws } = found;
  const most = one.l2 * one.l2;
  const accepts = (lanes: Lanes): boolean => centredEnergy(lanes, modulusBits) <= most;
  const { noise } = spec;
  const part = variance / (noise?.honestSurvivors ?? 1);
  const add = (lanes: Lanes): void =>
    draws === undefined || noise === undefined
      ? addNoise(lanes, modulusBits, part, own.noise)
      : addCorrelated(lanes, modulusBits, draws, noise, own);
  return {
    name: 'noise',
    participant: noise?.isCentral === true ? { accepts } : { accepts, lanes: add },
    server: {},
  };
};
