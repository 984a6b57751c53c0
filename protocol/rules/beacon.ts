/**
 * @module The beacon chain of a run: R_0 is drawn by the coordinator, R_r is a hash over R_(r-1)
 * and the entropy e_i of every survivor of the last commit, in member order. Each e_i is committed
 * to in Share, before any is known, and the other members' shares open it: nobody can choose it
 * late or withhold it, so no single party can grind R_r. A coordinator can only abort, and aborts
 * are counted. Before the first commit R_0 is the coordinator's word; outsiders do not know it
 * before the first Open record. The beacon of an attempt binds R to the frozen cohort.
 */
import { sha256, utf8 } from '../bytes.ts';
import type { Identity } from '../ports/identity.ts';

/**
 * R_0, 32 bytes: a hash of the coordinator's signature over the id of the run, so that a run that
 * is repeated with the same keys has the same beacons. (Ed25519 signatures are deterministic, RFC
 * 8032.)
 */
export const firstBeacon = (coordinator: Identity, id: Uint8Array): Uint8Array =>
  sha256(utf8('floe/first-beacon/v1'), coordinator.sign('first-beacon', id));

/** R_r, 32 bytes. @param previous R_(r-1) @param entropies e_i, 32 bytes each, in member order */
export const nextBeacon = (previous: Uint8Array, entropies: readonly Uint8Array[]): Uint8Array =>
  sha256(utf8('floe/next-beacon/v1'), previous, ...entropies);

/**
 * The beacon of an attempt. @param root Merkle root of the cohort @param entropy R @returns 32
 * bytes
 */
export const localBeacon = (root: Uint8Array, entropy: Uint8Array): Uint8Array =>
  sha256(utf8('floe/beacon/v2'), root, entropy);
