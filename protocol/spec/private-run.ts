/**
 * @module Differential privacy in a specification: the noise and the bits that follow from a
 * budget, and what the other settings must be so that the budget holds. Every party checks it, so a
 * coordinator cannot announce an epsilon that its noise does not keep.
 */
import {
  ringLayout,
  RINGS,
  type EncodingSpec,
  type NoiseSpec,
  type SegmentSpec,
} from '../encoding/layout.ts';
import {
  guaranteeAfter,
  latticesOf,
  noiseOfSegments,
  type SumNoise,
} from '../encoding/stages/noise.ts';
import { FloeError, toFloeError } from '../errors.ts';
import { calibrate, corruptMembers, honestSurvivors, wrapProbability } from '../privacy/noise.ts';
import { usualParticipations } from '../privacy/participations.ts';
import { threshold } from '../secagg/graph.ts';
import { ACCEPTED_WRAP } from '../privacy/plan.ts';
import { groupSizeOf, leastSummed, mostSummed, type SummedRun } from '../robust/groups.ts';
import { groupCount } from '../secagg/group-sizes.ts';
import type { Robust } from './settings/robust.ts';
import { MAX_VARIANCE } from '../privacy/skellam-table.ts';

/** The field `privacy` of a specification. */
export type PrivacySpec = {
  readonly epsilon: number;
  readonly delta: number;
  readonly participations: number;
  readonly noiseMultiplier: number;
} & (
  | { readonly type: 'skellam'; readonly honest: number }
  /** Correlated noise: every member is in every round. */
  | { readonly type: 'ftrl'; readonly honest: number; readonly bands: number }
  /** The coordinator sees single updates and adds the noise. */
  | { readonly type: 'central' }
);

/** What of a run its privacy depends on. */
export interface PrivateRun {
  readonly privacy: PrivacySpec;
  readonly rounds: number;
  readonly cohort: {
    readonly size: number;
    readonly minimum: number;
    readonly overSelect: number;
  };
  /** Of a closed run. */
  readonly members: number | undefined;
  /** Its rounds take the first updates that are ready. */
  readonly isBuffered: boolean;
  readonly encoding: EncodingSpec;
  readonly segments: readonly SegmentSpec[];
  /** Numbers that travel beside the update: the metrics of the run, the scalars of its strategy. */
  readonly metrics: number;
  readonly scalars: number;
  readonly isSurvey: boolean;
  readonly secagg: 'masked' | 'none';
  /** A rule over single updates, or the means of groups, instead of their sum. */
  readonly robust: Robust | undefined;
}

/** What of a run its sums depend on. */
type Sums = SummedRun & Pick<PrivateRun, 'cohort'>;

/**
 * The noise of a run. No draw mixes a buffer: the coordinator can delay registrations until all
 * members that add no noise are in one. So the honest fraction of a buffered run is one of all its
 * members, and the others may all be in the smallest sum. In groups each sum is that of one group,
 * and all of a cohort that add no noise may be in it: a coordinator has one draw for each attempt,
 * so that the chance of a draw is no bound here.
 *
 * @throws FloeError `privacy_invalid` where nobody honest is left
 */
export const noiseSpecOf = (
  privacy: PrivacySpec,
  run: Sums & Pick<PrivateRun, 'members' | 'isBuffered'>,
): NoiseSpec => {
  const { cohort, members, isBuffered } = run;
  const amongWhom = isBuffered ? (members ?? cohort.size) : cohort.size;
  return {
    multiplier: privacy.noiseMultiplier,
    isCentral: privacy.type === 'central',
    honestSurvivors:
      privacy.type === 'central' ? 1 : honestSurvivors(amongWhom, leastSummed(run), privacy.honest),
    ...(privacy.type === 'ftrl'
      ? { correlated: { bands: privacy.bands, rounds: privacy.participations } }
      : {}),
  };
};

/** Sums that a round opens, at most. */
const sumsOf = (run: Sums): number => {
  const size = groupSizeOf(run);
  return size === undefined ? 1 : groupCount(run.cohort.size, size);
};

/** Of a private run where nothing else is given: the ring has room for noise, weights are equal. */
export const PRIVATE_DEFAULTS = { ring: 'ring24', weightCap: 1 } as const;

/**
 * Whether any `minimum` members have an honest one in common with those that open a sum, which are
 * t of its cohort: then members of equal noise streams know of every sum that was opened.
 */
const sharesCarriers = (cohort: number, minimum: number, honest: number): boolean =>
  minimum >= 3 && minimum + threshold(minimum) > cohort + corruptMembers(cohort, honest);

/** Fewest survivors where nothing else is given: the noise is sized for them. */
export const privateMinimum = (cohort: number, privacy?: PrivacySpec): number => {
  let minimum = Math.max(3, Math.ceil(0.6 * cohort));
  if (privacy?.type !== 'ftrl') return minimum;
  while (minimum < cohort && !sharesCarriers(cohort, minimum, privacy.honest)) minimum += 1;
  return minimum;
};

interface Fitting {
  readonly noise: NoiseSpec;
  readonly sums: readonly SumNoise[];
  /** Largest variance that is drawn at once for a coordinate: by one participant, or centrally. */
  readonly variance: number;
  /** That any coordinate of any round leaves the ring, at most. */
  readonly wrap: number;
}

const epsilonOf = (
  sums: readonly SumNoise[],
  { correlated }: NoiseSpec,
  { participations, delta }: PrivacySpec,
): number => guaranteeAfter(sums, correlated, participations, delta).epsilon;

/** Variances of the draws of the smallest honest set. */
const drawnIn = ({ draws, variance }: SumNoise): readonly number[] =>
  draws === undefined ? [variance] : [draws.shared, draws.rest];

const fit = (run: PrivateRun, bits: number): Fitting => {
  const { privacy, rounds, cohort, encoding, segments } = run;
  const most = mostSummed(run, cohort.size);
  const bare = noiseSpecOf(privacy, run);
  const layout = ringLayout({ ...encoding, bits, noise: bare }, most, segments);
  const noiseAt = (multiplier: number): EncodingSpec => ({
    ...encoding,
    bits,
    noise: { ...bare, multiplier },
  });
  const sumsAt = (multiplier: number): readonly SumNoise[] =>
    noiseOfSegments(noiseAt(multiplier), layout.segments);
  const lattices = latticesOf(noiseAt(1), layout.segments);
  const multiplier =
    privacy.noiseMultiplier > 0
      ? privacy.noiseMultiplier
      : // A short number, rounded to the safe side.
        Math.ceil(calibrate(lattices, privacy, (z) => epsilonOf(sumsAt(z), bare, privacy)) * 1e4) /
        1e4;
  const noise = { ...bare, multiplier };
  const sums = sumsAt(multiplier);
  const { honestSurvivors: parts, isCentral } = noise;
  const wraps = sums.map(({ variance, step }, i) =>
    wrapProbability(
      layout.modulusBits,
      // The last one may be the clip bit, which is no coordinate.
      most * (i < layout.segments.length ? layout.level : lattices[i]!.norm),
      isCentral ? variance : (variance / parts) * most,
      lattices[i]!.dimension * rounds * sumsOf(run),
      step,
    ),
  );
  return {
    noise,
    sums,
    variance: sums.flatMap(drawnIn).reduce((a, b) => Math.max(a, b / parts), 0),
    wrap: Math.min(
      1,
      wraps.reduce((a, b) => a + b, 0),
    ),
  };
};

const holds = ({ wrap, variance }: Fitting): boolean =>
  wrap <= ACCEPTED_WRAP && variance <= MAX_VARIANCE;

const participationsOf = (run: PrivateRun): number => {
  const { privacy, rounds, cohort, members, isBuffered } = run;
  if (privacy.participations > 0) return privacy.participations;
  // The fastest members of a buffered run may be in every round.
  return members === undefined || isBuffered || privacy.type === 'ftrl'
    ? rounds
    : usualParticipations(rounds, cohort.size, members, groupSizeOf(run) !== undefined);
};

/** Why the noise of a round could not cancel that of earlier ones; undefined where it can. */
const correlationViolation = (run: PrivateRun): string | undefined => {
  const { privacy, cohort, members, encoding, rounds } = run;
  if (privacy.type !== 'ftrl') return undefined;
  if (members === undefined)
    return 'members: correlated noise needs the members of every round beforehand; expected a closed run';
  if (run.isBuffered)
    return 'buffer: correlated noise needs every member in every round, and a buffer takes the first updates that are ready; expected no buffer';
  if (groupSizeOf(run) !== undefined)
    return 'robust.groupSize: correlated noise needs the same members in every sum, and groups are drawn anew; expected no groups';
  if (members !== cohort.size)
    return `cohort.size: correlated noise needs every member in every round, expected the ${members} members of the run, got ${cohort.size}: of a drawn cohort nobody could add the noise that cancels`;
  if (cohort.overSelect !== 1)
    return `cohort.overSelect: correlated noise has no place for who is left over, expected 1, got ${cohort.overSelect}`;
  if (!sharesCarriers(cohort.size, cohort.minimum, privacy.honest))
    return `cohort.minimum: with correlated noise ${cohort.minimum} members of ${cohort.size} may not know every sum that was opened; expected at least ${privateMinimum(cohort.size, privacy)}, or a larger honest fraction`;
  if (encoding.compression !== undefined)
    return 'encoding.compression: other coordinates travel in every round, so correlated noise would not cancel; expected none';
  if (encoding.clipping !== undefined)
    return 'encoding.clipping: an adaptive norm changes the unit of the noise, so correlated noise would not cancel; expected a fixed norm';
  if (privacy.participations > 0 && privacy.participations < rounds)
    return `privacy.participations: ${privacy.participations} attempts are fewer than the ${rounds} rounds of the run`;
  if (privacy.bands > rounds)
    return `privacy.bands: expected at most the ${rounds} rounds of the run, got ${privacy.bands}`;
  return undefined;
};

/** What a private run is completed with. */
export interface Completed {
  readonly privacy: PrivacySpec;
  readonly bits: number;
}

/**
 * Fills in the participations, the bits of a coordinate and the noise multiplier, where they are
 * not given: the most bits that the ring holds with the noise.
 *
 * @throws FloeError `spec_invalid` for settings that correlated noise refuses, or where the ring
 *   does not hold the noise with any bits
 */
export const completed = (run: PrivateRun): Completed => {
  const fault = correlationViolation(run);
  if (fault !== undefined) throw new FloeError('spec_invalid', fault);
  const { encoding, cohort } = run;
  const privacy = { ...run.privacy, participations: participationsOf(run) };
  const whole = { ...run, privacy };
  const { modulusBits, bits: range } = RINGS[encoding.ring];
  const [low, high] = range;
  const summed = mostSummed(run, cohort.size);
  const most = Math.min(high, modulusBits - Math.ceil(Math.log2(summed)));
  const candidates =
    encoding.bits === undefined
      ? Array.from({ length: Math.max(0, most - low + 1) }, (_, i) => most - i)
      : [encoding.bits];
  for (const bits of candidates) {
    const fitted = fit(whole, bits);
    // Bits that were asked for are kept: the check of the specification says what is wrong.
    if (encoding.bits === undefined && !holds(fitted)) continue;
    return { privacy: { ...privacy, noiseMultiplier: fitted.noise.multiplier }, bits };
  }
  throw new FloeError(
    'spec_invalid',
    `encoding.ring: ${encoding.ring} does not hold the noise of epsilon ${privacy.epsilon} over ${privacy.participations} rounds; choose a larger ring, or see floe privacy`,
  );
};

/** For the last digit of other processors' logarithms. */
const SLACK = 1 + 1e-9;

const numbersViolation = (run: PrivateRun): string | undefined => {
  const { privacy, rounds, cohort, members, encoding } = run;
  if (encoding.bits === undefined)
    return 'encoding.bits: with privacy the bits of a coordinate must be given';
  if (privacy.participations < 1 || privacy.noiseMultiplier <= 0)
    return 'privacy: expected participations and a noise multiplier above 0';
  const fitted = fit(run, encoding.bits);
  const epsilon = epsilonOf(fitted.sums, fitted.noise, privacy);
  if (epsilon > privacy.epsilon * SLACK)
    return `privacy.noiseMultiplier: ${privacy.noiseMultiplier} keeps epsilon ${epsilon.toPrecision(4)} over ${privacy.participations} participations, and the budget is ${privacy.epsilon}`;
  if (fitted.variance > MAX_VARIANCE)
    return `encoding.bits: at ${encoding.bits} bits the noise has variance ${fitted.variance.toPrecision(3)}, at most 2^28 is drawn; fewer bits need less`;
  if (fitted.wrap > ACCEPTED_WRAP)
    return `encoding.ring: with this noise a coordinate leaves ${encoding.ring} at ${encoding.bits} bits with probability ${fitted.wrap.toPrecision(2)}; a larger ring or fewer bits hold it`;
  if (members !== undefined && members * privacy.participations < rounds * cohort.minimum)
    return `privacy.participations: ${rounds} rounds of at least ${cohort.minimum} need more than ${privacy.participations} participations of each of ${members} members`;
  return undefined;
};

/** Why a run cannot keep its budget; undefined where it can. */
export const privacyViolation = (run: PrivateRun): string | undefined => {
  const { encoding, metrics, scalars, isSurvey, robust, secagg, privacy } = run;
  if (isSurvey) return 'privacy: a survey opens exact counts, without noise';
  if (privacy.type === 'central' && secagg === 'masked')
    return 'privacy: central noise is of the coordinator, which sees no update under masks; expected a run without masks (--no-mask), or skellam';
  if (robust !== undefined && groupSizeOf(run) === undefined)
    return 'robust.rule: it reads single updates, whose noise is sized for a sum; expected groups under masks (--group-size), or no rule';
  if (encoding.compression?.mode === 'feedback')
    return 'encoding.compression: error feedback would send the noise of one round with the next; expected unbiased';
  if (encoding.weightCap !== 1)
    return `encoding.weightCap: with privacy all updates count the same, expected 1, got ${encoding.weightCap}; weights by examples have no bounded sensitivity here`;
  if (metrics > 0)
    return `metrics: with privacy nothing leaves without noise, expected none, got ${metrics}`;
  if (scalars > 0)
    return 'strategy: it sends numbers beside the update, which have no noise; with privacy choose another one';
  try {
    return correlationViolation(run) ?? numbersViolation(run);
  } catch (thrown) {
    return `privacy: ${toFloeError(thrown).message}`;
  }
};
