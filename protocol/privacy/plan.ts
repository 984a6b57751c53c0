/**
 * @module The plan of a private run before it starts: the noise that a target needs, the ring that
 * holds it, the norm of the noise against that of updates, and what other sizes would change.
 */
import {
  CLAMP_DEVIATIONS,
  RINGS,
  ringLayout,
  type Ring,
  type RingLayout,
} from '../encoding/layout.ts';
import { FloeError } from '../errors.ts';
import {
  calibrate,
  guaranteeOf,
  honestSurvivors,
  noiseOf,
  wrapProbability,
  type SegmentLattice,
} from './noise.ts';
import { neededParticipations, usualParticipations } from './participations.ts';
import { groupCount, largestGroup, leastOfGroups } from '../secagg/group-sizes.ts';
import { MAX_VARIANCE, tableError } from './skellam-table.ts';

export interface PlanInput {
  readonly epsilon: number;
  readonly delta: number;
  /** Of the run, from whom each cohort is drawn. */
  readonly participants: number;
  readonly cohort: number;
  readonly rounds: number;
  /** Parameters that travel. */
  readonly dimension: number;
  /** Least survivors of a sum; 60 % of the cohort unless given. */
  readonly minimum?: number | undefined;
  /** Of a run in groups, each of which is opened: members of one, at least. */
  readonly groupSize?: number | undefined;
  /** Of a run with buffered rounds: ready updates that form a round, as many as the cohort. */
  readonly buffer?: number | undefined;
  /** Fraction of a cohort, or of all participants with a buffer, that adds its noise: 0.9. */
  readonly honest?: number | undefined;
  /** 1 unless given: norms are then in units of it. */
  readonly clipNorm?: number | undefined;
  /** The smallest that holds the noise unless given. */
  readonly ring?: Ring | undefined;
  /** q; the largest that the ring holds with the noise unless given. */
  readonly bits?: number | undefined;
  /** Rounds of one participant, at most; unless given, see `participations.ts`. */
  readonly participations?: number | undefined;
  /** Of the correlated noise that the plan is compared with; 2 unless given. */
  readonly bands?: number | undefined;
}

/** What other sizes would give. */
export interface Alternative {
  readonly change: string;
  readonly noiseMultiplier: number;
  readonly noiseToClip: number;
}

/** What groups cost: each sum is that of one group, whose noise must do alone. */
export interface GroupPrice {
  readonly size: number;
  readonly count: number;
  /** Of the mean of one group of this size: what a rule compares. */
  readonly noiseToClip: number;
  /**
   * Noise in the mean over all, against that with one sum of the cohort; undefined where no ring
   * holds that.
   */
  readonly timesOneSum: number | undefined;
}

export interface PrivacyPlan {
  readonly mechanism: 'skellam';
  readonly epsilon: number;
  readonly delta: number;
  /** The order of Renyi divergence that gives epsilon. */
  readonly order: number;
  readonly participations: number;
  readonly minimum: number;
  readonly honestSurvivors: number;
  /** Deviation of the noise of the smallest honest set over the L2 sensitivity. */
  readonly noiseMultiplier: number;
  readonly ring: Ring;
  readonly bits: number;
  readonly modulusBits: number;
  /** In units of the lattice. */
  readonly sensitivity: number;
  /** Central variance of one participant's noise in a coordinate, in units of the lattice. */
  readonly variance: number;
  /** That any coordinate of any round leaves the ring, at most. */
  readonly wrapProbability: number;
  /** Bound on the statistical distance of all sampled noise from the exact distribution. */
  readonly samplerError: number;
  readonly clipNorm: number;
  /** Norm of the noise in the mean over a full cohort. */
  readonly noiseNorm: number;
  readonly noiseToClip: number;
  /** Of a run in groups. */
  readonly groups?: GroupPrice;
  readonly uploadBytes: number;
  readonly alternatives: readonly Alternative[];
}

const RING_ORDER: readonly Ring[] = ['ring16', 'ring24', 'ring32'];

/** A ring whose wraps are more likely is not chosen. */
export const ACCEPTED_WRAP = 1e-6;

/** The ring's full lanes: noise needs the bits that a sum does not. */
export const noisyLayout = (
  ring: Ring,
  bits: number,
  clipNorm: number,
  n: number,
  dimension: number,
): RingLayout => {
  const spec = { ring, bits, clipNorm, rotation: true, weightCap: 1 };
  const plain = ringLayout(spec, n, dimension);
  const { modulusBits } = RINGS[ring];
  return { ...plain, modulusBits, byteLength: Math.ceil((plain.lanes * modulusBits) / 8) };
};

interface Sizes {
  readonly participations: number;
  /** Survivors of a sum, at least. */
  readonly minimum: number;
  /** Members in a sum, at most. */
  readonly most: number;
  /** Sums of a round, at most. */
  readonly sums: number;
  /** That add their noise to the smallest sum, at least. */
  readonly honest: number;
}

const sizesOf = (input: PlanInput): Sizes => {
  const { participants, cohort, rounds, minimum, buffer, honest = 0.9, participations } = input;
  if (participants < cohort)
    throw new FloeError(
      'privacy_invalid',
      `a cohort of ${cohort} cannot be drawn from ${participants} participants`,
    );
  if (buffer !== undefined && buffer !== cohort)
    throw new FloeError(
      'privacy_invalid',
      `a buffer has as many updates as the cohort (${cohort}), got ${buffer}`,
    );
  const needed = neededParticipations(rounds, cohort, participants);
  if (participations !== undefined && participations < needed)
    throw new FloeError(
      'privacy_invalid',
      `${rounds} rounds of ${cohort} among ${participants} need at least ${needed} participations each, got ${participations}`,
    );
  const { groupSize } = input;
  const usual = usualParticipations(rounds, cohort, participants, groupSize !== undefined);
  // The fastest may be in every buffer, and the coordinator determines who fills one.
  const amongWhom = buffer === undefined ? cohort : participants;
  const most = participations ?? (buffer === undefined ? usual : rounds);
  const bounds = (least: number) => ({
    participations: most,
    minimum: least,
    honest: honestSurvivors(amongWhom, least, honest),
  });
  if (groupSize === undefined)
    return {
      ...bounds(minimum ?? Math.max(3, Math.ceil(0.6 * cohort))),
      most: cohort,
      sums: 1,
    };
  if (groupSize > cohort)
    throw new FloeError('privacy_invalid', `a cohort of ${cohort} makes no group of ${groupSize}`);
  return {
    ...bounds(leastOfGroups(groupSize)),
    most: Math.min(cohort, largestGroup(groupSize)),
    sums: groupCount(cohort, groupSize),
  };
};

interface Fitted {
  readonly ring: Ring;
  readonly bits: number;
  readonly layout: RingLayout;
  readonly lattice: SegmentLattice;
  readonly noiseMultiplier: number;
  readonly variance: number;
  readonly wrap: number;
}

const fit = (input: PlanInput, ring: Ring, bits: number): Fitted | undefined => {
  const { rounds, dimension, epsilon, delta, clipNorm = 1 } = input;
  const { participations, most, sums, honest } = sizesOf(input);
  const plain = RINGS[ring].modulusBits - Math.ceil(Math.log2(most));
  if (bits > plain) return undefined;
  const layout = noisyLayout(ring, bits, clipNorm, most, dimension);
  const { padded } = layout.segments[0];
  const lattice = {
    norm: (layout.level * Math.sqrt(padded)) / CLAMP_DEVIATIONS,
    dimension: padded,
  };
  const noiseMultiplier = calibrate([lattice], { epsilon, delta, participations });
  const [noise] = noiseOf([lattice], noiseMultiplier);
  const variance = noise!.variance / honest;
  const wrap = wrapProbability(
    layout.modulusBits,
    most * layout.level,
    variance * most,
    padded * rounds * sums,
  );
  return { ring, bits, layout, lattice, noiseMultiplier, variance, wrap };
};

const candidates = ({ ring, bits }: PlanInput): readonly (readonly [Ring, number])[] =>
  (ring === undefined ? RING_ORDER : [ring]).flatMap((one) => {
    const [low, high] = RINGS[one].bits;
    const all = Array.from({ length: high - low + 1 }, (_, i) => high - i);
    return (bits === undefined ? all : [bits]).map((q) => [one, q] as const);
  });

const choose = (input: PlanInput): Fitted => {
  let last: Fitted | undefined;
  for (const [ring, bits] of candidates(input)) {
    const fitted = fit(input, ring, bits);
    if (fitted === undefined) continue;
    const asked = input.ring !== undefined && input.bits !== undefined;
    if (asked || (fitted.wrap <= ACCEPTED_WRAP && fitted.variance <= MAX_VARIANCE)) return fitted;
    last = fitted;
  }
  throw new FloeError(
    'privacy_invalid',
    `no ring holds the noise of a cohort of ${input.cohort} over ${input.dimension} parameters${
      last === undefined ? '' : `: the last one wraps with probability ${last.wrap.toPrecision(2)}`
    }; fewer parameters, a larger epsilon or larger cohorts need less noise`,
  );
};

/** Of the mean over so many. */
const noiseNormOf = ({ layout, variance }: Fitted, members: number, clipNorm: number): number => {
  const { padded } = layout.segments[0];
  const step = (CLAMP_DEVIATIONS * clipNorm) / (Math.sqrt(padded) * layout.level);
  // Each with its own noise.
  return (step * Math.sqrt(variance * members * padded)) / members;
};

const changesOf = (input: PlanInput): readonly (readonly [string, Partial<PlanInput>])[] => {
  const { participants, cohort, rounds, dimension } = input;
  const larger = (factor: number): readonly [string, Partial<PlanInput>] => [
    `${factor * participants} participants`,
    { participants: factor * participants, participations: undefined },
  ];
  return [
    larger(2),
    larger(10),
    ...(2 * cohort <= participants && 2 * cohort <= 4096
      ? [
          [
            `cohorts of ${2 * cohort} in half of the rounds`,
            {
              cohort: 2 * cohort,
              buffer: input.buffer === undefined ? undefined : 2 * cohort,
              rounds: Math.ceil(rounds / 2),
              minimum: input.minimum === undefined ? undefined : 2 * input.minimum,
              participations: undefined,
            },
          ] as const,
        ]
      : []),
    ...[10, 100]
      .filter((factor) => dimension >= 64 * factor)
      .map((factor): readonly [string, Partial<PlanInput>] => [
        `${Math.round(dimension / factor)} parameters`,
        { dimension: Math.round(dimension / factor) },
      ]),
    ...(rounds > 1
      ? [
          [
            `${Math.ceil(rounds / 2)} rounds`,
            { rounds: Math.ceil(rounds / 2), participations: undefined },
          ] as const,
        ]
      : []),
  ];
};

/** Undefined where no ring holds the noise, or nobody is left that adds some. */
const chooseIfAny = (input: PlanInput): Fitted | undefined => {
  try {
    return choose({ ...input, ring: undefined, bits: undefined });
  } catch (thrown) {
    if (thrown instanceof FloeError && thrown.code === 'privacy_invalid') return undefined;
    throw thrown;
  }
};

const alternativesOf = (input: PlanInput): readonly Alternative[] =>
  changesOf(input).flatMap(([change, changed]) => {
    const other = { ...input, ...changed };
    const fitted = chooseIfAny(other);
    if (fitted === undefined) return [];
    const { noiseMultiplier } = fitted;
    return [{ change, noiseMultiplier, noiseToClip: noiseNormOf(fitted, other.cohort, 1) }];
  });

/** The noise of the same run with one sum for the cohort; undefined where no ring holds it. */
const noiseOfOneSum = (input: PlanInput): number | undefined => {
  const { participations } = sizesOf(input);
  const fitted = chooseIfAny({ ...input, participations, groupSize: undefined });
  return fitted === undefined ? undefined : noiseNormOf(fitted, input.cohort, 1);
};

const priceOf = (input: PlanInput, fitted: Fitted): { readonly groups?: GroupPrice } => {
  const { groupSize: size, cohort } = input;
  if (size === undefined) return {};
  const one = noiseOfOneSum(input);
  const clipNorm = input.clipNorm ?? 1;
  return {
    groups: {
      size,
      count: groupCount(cohort, size),
      noiseToClip: noiseNormOf(fitted, size, clipNorm) / clipNorm,
      timesOneSum:
        one === undefined ? undefined : noiseNormOf(fitted, cohort, clipNorm) / clipNorm / one,
    },
  };
};

/**
 * @throws FloeError `privacy_invalid` for sizes that do not fit each other, or a target that no
 * ring holds
 */
export const planPrivacy = (input: PlanInput): PrivacyPlan => {
  const { cohort, rounds, delta, clipNorm = 1 } = input;
  const { participations, minimum, honest } = sizesOf(input);
  const fitted = choose(input);
  const { ring, bits, layout, lattice, noiseMultiplier, variance, wrap } = fitted;
  const noise = noiseOf([lattice], noiseMultiplier);
  const { epsilon, order } = guaranteeOf(noise, participations, delta);
  const noiseNorm = noiseNormOf(fitted, cohort, clipNorm);
  const reach = Math.ceil(17 * Math.sqrt(variance) + 100);
  return {
    mechanism: 'skellam',
    epsilon,
    delta,
    order,
    participations,
    minimum,
    honestSurvivors: honest,
    noiseMultiplier,
    ring,
    bits,
    modulusBits: layout.modulusBits,
    sensitivity: noise[0]!.l2,
    variance,
    wrapProbability: wrap,
    samplerError: tableError({ reach }, lattice.dimension * cohort * rounds),
    clipNorm,
    noiseNorm,
    noiseToClip: noiseNorm / clipNorm,
    ...priceOf(input, fitted),
    uploadBytes: layout.byteLength,
    alternatives: alternativesOf(input),
  };
};
