/**
 * @module What two members share in an attempt. Hybrid throughout: every key needs both X25519 and
 * ML-KEM-768 broken.
 *
 * The pair mask (Bonawitz et al. 2017) runs in one direction. The lower member i takes k_ij =
 * PRF(sigma_i, context, j) and sends it to j, wrapped under a secret encapsulated to j's masking
 * key; both make the seed from X25519(i, j) and k_ij. A native encapsulation takes no randomness,
 * so nobody could repeat it from sigma; k_ij can be: sigma of a dropped i gives k_ij again, sigma
 * of a dropped j opens the wrap.
 *
 * A lie about k_ij. The entry that i signs for j holds a hash commitment to k_ij.
 * - The wrap opens to another value than was committed to: j sees it on receipt and complains
 *   before anything is uploaded; if j drops without a word, its recovered sigma opens the wrap and
 *   the commitment names i.
 * - Wrap and commitment agree, but k_ij is not what sigma_i yields: nothing is wrong while i stays
 *   (both use the same value); when i drops, the value recomputed from its sigma does not match its
 *   commitment, which names i.
 * - i or j adds another mask than agreed, while both stay: the sum is noise, as with any false
 *   upload, and no commitment can show whose; the norm of the mean does (step 7 of the
 *   specification).
 *
 * Shares are sealed under separate keys, made from the sealing key pairs: masking and sealing
 * have no key in common.
 */
import { compareBytes, concatBytes, equalBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { Id, Member } from './cohort.ts';
import type { AttemptKeyPairs } from './keys.ts';
import type { MaskJob } from './masks.ts';
import { KEY_BYTES, type Primitives } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

/** The part of an entry that carries k_ij from the lower member to the higher one. */
export interface WrappedPairKey {
  /** ML-KEM-768 ciphertext to the recipient's masking key, 1088 bytes. */
  readonly kem: Uint8Array;
  /** k_ij under the encapsulated secret, 32 bytes. */
  readonly wrap: Uint8Array;
  /** {@link commitPairKey} of k_ij, 32 bytes. */
  readonly commitment: Uint8Array;
}

/** +1 for the smaller id, -1 for the larger: the two masks of a pair cancel in the sum. */
export const pairSign = (self: Id, peer: Id): 1 | -1 => (compareBytes(self, peer) < 0 ? 1 : -1);

const requireContext = (context: Uint8Array): void =>
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');

/** k_ij of the lower member `from` for `to`, from its sigma; 32 bytes. */
export const pairKey = (
  sigma: Uint8Array,
  context: Uint8Array,
  from: Id,
  to: Id,
  primitives: Primitives,
): Uint8Array => {
  requireContext(context);
  const info = concatBytes(utf8('floe/secagg/pair-key/v1'), from, to);
  return primitives.hkdf(sigma, context, info, KEY_BYTES);
};

/** Commitment to k_ij; hiding because k_ij is the output of a PRF under a fresh secret. */
export const commitPairKey = (context: Uint8Array, from: Id, to: Id, key: Uint8Array): Uint8Array =>
  sha256(utf8('floe/secagg/commit-pair-key/v1'), context, from, to, key);

const pad = (
  kem: Uint8Array,
  context: Uint8Array,
  from: Id,
  to: Id,
  primitives: Primitives,
): Uint8Array =>
  primitives.hkdf(kem, context, concatBytes(utf8('floe/secagg/pair-wrap/v1'), from, to), KEY_BYTES);

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!);

/**
 * Wraps k_ij for the higher member `to`: a one-time pad from a fresh encapsulated secret, so no tag
 * is needed in addition to the commitment.
 */
export const wrapPairKey = (
  key: Uint8Array,
  context: Uint8Array,
  from: Id,
  to: Member,
  primitives: Primitives,
): WrappedPairKey => {
  const { ciphertext, secret } = to.mask.kem().encapsulate();
  return {
    kem: ciphertext,
    wrap: xor(key, pad(secret, context, from, to.id, primitives)),
    commitment: commitPairKey(context, from, to.id, key),
  };
};

/** k_ij as the higher member `to` finds it; undefined where it is not what `from` committed to. */
export const unwrapPairKey = (
  wrapped: WrappedPairKey,
  kem: AttemptKeyPairs['kem'],
  context: Uint8Array,
  from: Id,
  to: Id,
  primitives: Primitives,
): Uint8Array | undefined => {
  requireContext(context);
  const secret = kem.decapsulate(wrapped.kem);
  const key = xor(wrapped.wrap, pad(secret, context, from, to, primitives));
  return equalBytes(commitPairKey(context, from, to, key), wrapped.commitment) ? key : undefined;
};

/**
 * Seed of the mask of a pair; 32 bytes, symmetric in `a` and `b`. @param point X25519 of the
 * masking keys
 */
export const pairSeed = (
  point: Uint8Array,
  key: Uint8Array,
  context: Uint8Array,
  a: Id,
  b: Id,
  primitives: Primitives,
): Uint8Array => {
  requireContext(context);
  const [min, max] = compareBytes(a, b) < 0 ? [a, b] : [b, a];
  const info = concatBytes(utf8('floe/secagg/pair/v1'), min, max);
  return primitives.hkdf(concatBytes(point, key), context, info, HASH_BYTES);
};

/**
 * Key that seals the shares of `from` to `to`; 32 bytes, fresh with each encapsulation. @param
 * point X25519 of the sealing keys
 */
export const sealingKey = (
  point: Uint8Array,
  kem: Uint8Array,
  context: Uint8Array,
  from: Id,
  to: Id,
  primitives: Primitives,
): Uint8Array => {
  requireContext(context);
  const info = concatBytes(utf8('floe/secagg/seal/v1'), from, to);
  return primitives.hkdf(concatBytes(point, kem), context, info, KEY_BYTES);
};

/** What {@link pairMask} needs to know. */
export interface PairMaskInit {
  readonly sigma: Uint8Array;
  /** The masking keys of sigma. */
  readonly keys: AttemptKeyPairs;
  readonly context: Uint8Array;
  readonly self: Id;
  readonly peer: Member;
  /** What the lower of the two published for the higher. */
  readonly wrapped: WrappedPairKey;
}

const lie = (author: Id, recipient: Id, message: string): FloeError =>
  new FloeError('commitment_mismatch', message, {
    author: toHex(author),
    recipient: toHex(recipient),
  });

/**
 * The mask that `self` adds for `peer`, as a job. The recovery calls this with the reconstructed
 * sigma of a dropped participant: adding *its* masks completes the cancellation that its missing
 * upload left open.
 * @throws FloeError `commitment_mismatch` naming the lower member as `author` where the published
 * commitment does not match; `key_invalid`, `share_invalid`, `context_mismatch` for malformed
 * inputs
 */
export const pairMask = (init: PairMaskInit): MaskJob => {
  const { sigma, keys, context, self, peer, wrapped } = init;
  const { primitives } = keys;
  const sign = pairSign(self, peer.id);
  let key: Uint8Array | undefined;
  if (sign === 1) {
    key = pairKey(sigma, context, self, peer.id, primitives);
    if (!equalBytes(commitPairKey(context, self, peer.id, key), wrapped.commitment))
      throw lie(self, peer.id, 'the committed pair key is not the one that the secret yields');
  } else {
    key = unwrapPairKey(wrapped, keys.kem, context, peer.id, self, primitives);
    if (key === undefined)
      throw lie(peer.id, self, 'the wrapped pair key is not the one that was committed to');
  }
  const point = keys.point.agree(peer.mask.point());
  return { seed: pairSeed(point, key, context, self, peer.id, primitives), sign };
};
