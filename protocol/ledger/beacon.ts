/**
 * @module The beacon of a run without a chain: a hash of the frozen cohort and of every member's nonce. The coordinator
 * alone cannot choose it; who registers last can choose among many, which moves no mask: over the complete graph the beacon
 * selects nobody's neighbours, it only makes the context of a round fresh.
 */
import { sha256, utf8 } from '../bytes.ts';

/** What the cohort puts in: a hash over the members' nonces (32 bytes each) in cohort order. */
export const cohortEntropy = (nonces: readonly Uint8Array[]): Uint8Array =>
  sha256(utf8('floe/entropy/v1'), ...nonces);

/** @param root Merkle root of the cohort @param entropy see {@link cohortEntropy} @returns 32 bytes */
export const localBeacon = (root: Uint8Array, entropy: Uint8Array): Uint8Array =>
  sha256(utf8('floe/beacon/v1'), root, entropy);
