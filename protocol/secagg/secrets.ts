/**
 * @module The two secrets that a participant shares in an attempt, their commitments, and the sizes
 * of their shares. `self` is b || e: b (32 bytes, fresh) makes the self mask, e (32 bytes) is the
 * participant's part of the next beacon; both are opened together and by one commitment, so that e
 * can be neither withheld nor chosen late. `key` is sigma (32 bytes).
 */
import { concatBytes, sha256, utf8 } from '../bytes.ts';
import type { Id } from './cohort.ts';
import { platformPrimitives, type Primitives } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

/** `self`: of b || e, the self secret. `key`: of sigma, from which the masking keys derive. */
export type ShareKind = 'self' | 'key';

/** Bytes of b, of e and of sigma. */
export const SECRET_BYTES = 32;
/** Bytes of b || e. */
export const SELF_SECRET_BYTES = 2 * SECRET_BYTES;

/** Bytes of the secret of a kind. */
export const secretBytes = (kind: ShareKind): number =>
  kind === 'self' ? SELF_SECRET_BYTES : SECRET_BYTES;

/** Bytes of a share of a kind: the values, then the point. */
export const shareBytes = (kind: ShareKind): number => secretBytes(kind) + 1;

/**
 * b || e. @param mask b @param entropy e @throws FloeError `key_invalid` unless both have 32 bytes
 */
export const selfSecretOf = (mask: Uint8Array, entropy: Uint8Array): Uint8Array => {
  requireBytes(mask, SECRET_BYTES, 'key_invalid', 'self-mask seed');
  requireBytes(entropy, SECRET_BYTES, 'key_invalid', 'beacon entropy');
  return concatBytes(mask, entropy);
};

/** e of b || e. @throws FloeError `key_invalid` */
export const entropyOf = (selfSecret: Uint8Array): Uint8Array => {
  requireBytes(selfSecret, SELF_SECRET_BYTES, 'key_invalid', 'self secret');
  return selfSecret.slice(SECRET_BYTES);
};

/** SHA-256 commitment to the self secret of `author`; hiding because b is 32 uniform bytes. */
export const commitSecret = (context: Uint8Array, author: Id, secret: Uint8Array): Uint8Array =>
  sha256(utf8('floe/secagg/commit-secret/v2'), context, author, secret);

/**
 * SHA-256 commitment to one share; binds whose it is and of which kind, and by the point in the
 * share, a place in the cohort of the context, for whom.
 */
export const commitShare = (
  context: Uint8Array,
  author: Id,
  kind: ShareKind,
  share: Uint8Array,
): Uint8Array => sha256(utf8(`floe/secagg/commit-share/${kind}/v2`), context, author, share);

/**
 * Seed of the self mask: PRG(b) bound to the context, so that even a b used twice would not give
 * one mask twice.
 */
export const selfMaskSeed = (
  context: Uint8Array,
  author: Id,
  selfSecret: Uint8Array,
  primitives: Primitives = platformPrimitives,
): Uint8Array => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  requireBytes(selfSecret, SELF_SECRET_BYTES, 'key_invalid', 'self secret');
  const info = concatBytes(utf8('floe/secagg/self/v1'), author);
  return primitives.hkdf(selfSecret.subarray(0, SECRET_BYTES), context, info, HASH_BYTES);
};
