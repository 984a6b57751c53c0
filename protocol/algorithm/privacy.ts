/**
 * @module What a run's differential privacy claims: for output, for the ledger on chain, and for a
 * participant's own ledger.
 */
import { toHex } from '../bytes.ts';
import { FIRST_MEAN_EXAMPLES } from '../encoding/index.ts';
import { noiseOfSegments, releasedAfter, type Released } from '../encoding/stages/noise.ts';
import { plural } from '../plural.ts';
import { guaranteeOf } from '../privacy/noise.ts';
import { groupSizeOf, leastSummed } from '../robust/groups.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { isCentral } from './central-noise.ts';
import { encodingOfSizes, layoutOf, noiseFor } from './segments.ts';

/**
 * What a member has released after so many participations, in units of the lattice; nothing without
 * privacy. @param participations at least 1
 */
export const releasedIn = (spec: RunSpec, participations: number): Released => {
  const { size } = spec.cohort;
  const { segments } = layoutOf(spec, size, FIRST_MEAN_EXAMPLES);
  const encoding = encodingOfSizes(spec, size, FIRST_MEAN_EXAMPLES);
  const noise = noiseOfSegments(encoding, segments);
  return releasedAfter(noise, encoding.noise?.correlated, participations);
};

/** The noise of a run's sums; `ftrl`: correlated over the rounds. */
export type Mechanism = 'skellam' | 'central' | 'ftrl';

/** A claim of differential privacy, with what it rests on. */
export interface PrivacyClaim {
  /** `central`: the coordinator sees single updates and adds the noise. */
  readonly mechanism: Mechanism;
  /** Of each participant. */
  readonly epsilon: number;
  readonly delta: number;
  readonly noiseMultiplier: number;
  /** Attempts that a participant's update is in, at most; with correlated noise, of the run. */
  readonly participations: number;
  /** Survivors of a sum, at least: of the cohort, or of a group. */
  readonly minimum: number;
  /** Survivors that are assumed to add their noise, at least; none of them with central noise. */
  readonly honestSurvivors: number;
}

/**
 * What holds after so many attempts, each of which every participant may have been in. The noise
 * multiplier is that of one attempt, of correlated noise that of all of them.
 *
 * @param attempts all of the run unless given
 * @returns undefined without privacy
 */
export const privacyClaim = (spec: RunSpec, attempts = Infinity): PrivacyClaim | undefined => {
  const { privacy } = spec;
  if (privacy === undefined) return undefined;
  const participations = Math.min(privacy.participations, attempts);
  const { noise, uses } = releasedIn(spec, participations);
  const { epsilon } = guaranteeOf(noise, uses, privacy.delta);
  return {
    mechanism: privacy.type,
    epsilon: Math.min(epsilon, privacy.epsilon),
    delta: privacy.delta,
    noiseMultiplier: privacy.noiseMultiplier,
    participations,
    minimum: leastSummed(spec),
    honestSurvivors: isCentral(spec) ? 0 : (noiseFor(spec)?.honestSurvivors ?? 0),
  };
};

/** What verification says of the privacy of a run. */
export interface VerifiedPrivacy extends PrivacyClaim {
  /** Of the member that has most, in the attempts that ended. */
  readonly spent: { readonly participations: number; readonly epsilon: number };
  /** The run begins with a model of another run, whose spending is not in these numbers. */
  readonly parent?: string;
  readonly words: string;
}

/** @param released participations by member @returns undefined without privacy */
export const verifiedPrivacy = (
  spec: RunSpec,
  released: ReadonlyMap<string, number>,
): VerifiedPrivacy | undefined => {
  const claim = privacyClaim(spec);
  if (claim === undefined) return undefined;
  const participations = [...released.values()].reduce((a, b) => Math.max(a, b), 0);
  const epsilon = participations === 0 ? 0 : (privacyClaim(spec, participations)?.epsilon ?? 0);
  return {
    ...claim,
    spent: { participations, epsilon },
    ...(spec.parent === undefined ? {} : { parent: toHex(spec.parent.modelHash) }),
    words: describePrivacy(spec) ?? '',
  };
};

/** One line on the privacy of a run; undefined without. */
export const describePrivacy = (spec: RunSpec): string | undefined => {
  const claim = privacyClaim(spec);
  if (claim === undefined) return undefined;
  const { epsilon, delta, noiseMultiplier, participations, minimum, honestSurvivors } = claim;
  const spends = `epsilon ${Number(epsilon.toPrecision(3))} at delta ${delta} for each participant`;
  const limited = `multiplier ${noiseMultiplier}, at most ${plural(participations, 'participation')}`;
  if (claim.mechanism === 'central')
    return (
      `central: the coordinator sees single updates and adds the noise; ${spends}, ` +
      `against readers of the models alone; Skellam noise of ${limited}, ` +
      'assuming that the coordinator draws it and tells nobody but the auditors'
    );
  const readers =
    spec.secagg === 'masked'
      ? 'against all readers, the coordinator included'
      : 'against readers of the models alone: without masks the coordinator reads updates with a fraction of the noise';
  if (spec.privacy?.type === 'ftrl')
    return (
      `${spends}, ${readers}; correlated Skellam noise of ${spec.privacy.bands} bands, multiplier ` +
      `${noiseMultiplier} over the run, at most ${participations} attempts, assuming that ` +
      `${honestSurvivors} of at least ${minimum} survivors that are in every sum add their noise`
    );
  const inGroups = groupSizeOf(spec) !== undefined;
  const others = inGroups
    ? ', wherever the draw puts the others'
    : spec.buffer === undefined
      ? ''
      : ', whoever the coordinator puts in a buffer';
  return (
    `${spends}, ${readers}; Skellam noise of ${limited}, assuming that ${honestSurvivors} of at ` +
    `least ${minimum} survivors${inGroups ? ' of each group' : ''} add their noise${others}`
  );
};
