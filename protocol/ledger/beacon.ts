/**
 * @module The beacon of a run without a chain: a hash of the frozen cohort and of its members. A stand-in: over the complete graph it
 * selects nobody's neighbours; the context is fresh through model and attempt.
 */
import { sha256, utf8 } from '../bytes.ts';

/** What the cohort puts in: a hash over the members' keys (32 bytes each) in cohort order. */
export const cohortEntropy = (members: readonly Uint8Array[]): Uint8Array =>
  sha256(utf8('floe/entropy/v1'), ...members);

/** @param root Merkle root of the cohort @param entropy see {@link cohortEntropy} @returns 32 bytes */
export const localBeacon = (root: Uint8Array, entropy: Uint8Array): Uint8Array =>
  sha256(utf8('floe/beacon/v1'), root, entropy);
