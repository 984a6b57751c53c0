/**
 * @module The sizes that the protocol itself bounds; the ranges of the settings are within them.
 */

/** Complete graph over GF(2^8) shares: x-coordinates 1..255. */
export const MAX_COHORT = 255;
/** Participants that one attempt invites. */
export const MOST_INVITED = 4 * MAX_COHORT;
/** Below three, the sum of the others is one participant's update. */
export const MIN_COHORT = 3;
/** Keys that a closed run may list: every participant gets the list at login. */
export const MAX_MEMBERS = 10_000;
/** Commits between the model that an update was trained on and the newest, at most. */
export const MAX_STALENESS = 1000;
/** Attempts of a run. */
export const MAX_ATTEMPT = 100_000;

/** Numbers of attempts, both included. */
export interface AttemptRange {
  readonly first: number;
  readonly last: number;
}
/** Those of any run, the future ones included. */
export const ALL_ATTEMPTS: AttemptRange = { first: 0, last: MAX_ATTEMPT };
