/**
 * @module What correlated noise would be in a planned run, beside independent noise of the same
 * budget. Of a participant in every round no mechanism has less noise in the sum of all rounds than
 * independent noise: that sum alone changes by T C, and has noise of z T C. The plan says what the
 * difference is.
 */
import { CLAMP_DEVIATIONS, RINGS, type Ring } from '../encoding/layout.ts';
import { MAX_ATTEMPT } from '../spec/bounds.ts';
import { bandedInverse } from './banded-inverse.ts';
import { correlatedNoise, noiseOfPrefix, noiseOfRound, releasedBy } from './correlated.ts';
import { calibrate, guaranteeOf, wrapProbability } from './noise.ts';
import { ACCEPTED_WRAP, noisyLayout, type PlanInput, type PrivacyPlan } from './plan.ts';
import { MAX_VARIANCE } from './skellam-table.ts';

export interface CorrelatedPlan {
  readonly bands: number;
  /** Over all rounds. */
  readonly noiseMultiplier: number;
  readonly ring: Ring;
  readonly bits: number;
  /** That any coordinate of any round leaves the ring, at most. */
  readonly wrapProbability: number;
  /** Norm of the noise in the sum of the means of all rounds, over the clip norm. */
  readonly noiseOfAllRounds: number;
  /** The same of independent noise. */
  readonly independent: number;
  /** The first over the second: above 1 where independent noise is better. */
  readonly ratio: number;
}

/** Bands of a plan that names none: fewer leave less noise here. */
const DEFAULT_BANDS = 2;

const fitted = (
  input: PlanInput,
  plan: PrivacyPlan,
  ring: Ring,
  bits: number,
): CorrelatedPlan | undefined => {
  const { cohort, rounds, dimension, epsilon, delta, bands = DEFAULT_BANDS } = input;
  if (bits > RINGS[ring].modulusBits - Math.ceil(Math.log2(cohort))) return undefined;
  const layout = noisyLayout(ring, bits, 1, cohort, dimension);
  const { level, segments, modulusBits } = layout;
  const { padded } = segments[0];
  const lattice = { norm: (level * Math.sqrt(padded)) / CLAMP_DEVIATIONS, dimension: padded };
  const mechanism = { bands, rounds };
  // Every variance is that of multiplier 1 times its square.
  const unit = releasedBy(correlatedNoise([lattice], 1, mechanism), bands, rounds);
  const epsilonOf = (z: number): number =>
    guaranteeOf(
      unit.map(({ variance, ...shift }) => ({ ...shift, variance: z * z * variance })),
      1,
      delta,
    ).epsilon;
  const noiseMultiplier = calibrate(
    [lattice],
    { epsilon, delta, participations: rounds },
    epsilonOf,
  );
  const [noise] = correlatedNoise([lattice], noiseMultiplier, mechanism);
  const { shared, rest } = noise!;
  const each = 1 / plan.honestSurvivors;
  const { variance, step } = noiseOfRound(noise!, bands);
  const wrap = wrapProbability(
    modulusBits,
    cohort * level,
    variance * each * cohort,
    padded * rounds,
    step,
  );
  if (wrap > ACCEPTED_WRAP || Math.max(shared, rest) * each > MAX_VARIANCE) return undefined;
  const unitOfMean = CLAMP_DEVIATIONS / (Math.sqrt(padded) * level * cohort);
  const all = noiseOfPrefix(noise!, bands, rounds) * each * cohort * padded;
  const noiseOfAllRounds = unitOfMean * Math.sqrt(all);
  const independent = plan.noiseToClip * Math.sqrt(rounds);
  return {
    bands,
    noiseMultiplier,
    ring,
    bits,
    wrapProbability: wrap,
    noiseOfAllRounds,
    independent,
    ratio: noiseOfAllRounds / independent,
  };
};

/**
 * In the ring and with the most bits that hold it; undefined where cohorts are drawn, with
 * groups, or where no bits hold it.
 *
 * @param plan of independent noise for the same input
 * @throws FloeError `privacy_invalid`
 */
export const planCorrelated = (input: PlanInput, plan: PrivacyPlan): CorrelatedPlan | undefined => {
  const { participants, cohort, rounds, bands = DEFAULT_BANDS, ring = 'ring32' } = input;
  if (input.groupSize !== undefined) return undefined;
  if (participants !== cohort || rounds > MAX_ATTEMPT || rounds < bandedInverse(bands).bands.length)
    return undefined;
  const [low, high] = RINGS[ring].bits;
  for (let bits = input.bits ?? high; bits >= (input.bits ?? low); bits -= 1) {
    const found = fitted(input, plan, ring, bits);
    if (found !== undefined) return found;
  }
  return undefined;
};
