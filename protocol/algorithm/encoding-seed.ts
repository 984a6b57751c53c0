/**
 * @module The public seed of an attempt's encoding, which its whole cohort shares: it turns the
 * rotation, and under compression it decides which coordinates travel.
 */
import { sha256, utf8 } from '../bytes.ts';
import type { RunSpec } from '../spec/run-spec.ts';

/**
 * Seed of the shared rotation: public, fresh per attempt, bound to the model and the cohort. It
 * depends neither on masks nor on the beacon: masked and unmasked runs of equal inputs agree, and
 * so do a run on a chain, whose beacon nobody can repeat, and a local one. The rotation guards
 * nothing; it spreads the error of rounding.
 */
export const rotationSeed = (of: {
  readonly attempt: number;
  readonly modelHash: Uint8Array;
  readonly cohortRoot: Uint8Array;
}): Uint8Array => sha256(utf8(`floe/rotation/v1/${of.attempt}/`), of.modelHash, of.cohortRoot);

/**
 * The seed of an attempt's encoding: {@link rotationSeed} where all coordinates travel. Under
 * compression nobody may choose it. So it is a hash of the model and of R, the beacon of the last
 * commit, which the secrets of all its survivors make up. The cohort and the number of the attempt
 * are left out, because the coordinator could try several; all attempts on a model move the same
 * coordinates. R is the same on a chain and without one.
 *
 * With correlated noise all attempts have one rotation: noise cancels in the coordinates that it is
 * drawn in.
 *
 * @param of beacon: of the Open record
 */
export const encodingSeed = (
  { encoding, privacy, id }: RunSpec,
  of: {
    readonly attempt: number;
    readonly modelHash: Uint8Array;
    readonly cohortRoot: Uint8Array;
    readonly beacon: Uint8Array;
  },
): Uint8Array => {
  if (privacy?.type === 'ftrl') return sha256(utf8('floe/rotation-of-run/v1'), id);
  return encoding.compression === undefined
    ? rotationSeed(of)
    : sha256(utf8('floe/encoding-seed/v1'), of.modelHash, of.beacon);
};
