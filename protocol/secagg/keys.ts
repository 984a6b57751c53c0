/**
 * @module The keys of one participant for one round, all derived from one 32-byte secret sigma
 * (HKDF-SHA256, RFC 5869): X25519 (RFC 7748) and ML-KEM-768 (FIPS 203) key pairs and the randomness
 * of every encapsulation. Whoever reconstructs sigma of a dropped participant can therefore
 * recompute each of its pair masks, and nothing of another round.
 */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import sodium from 'libsodium-wrappers';
import { concatBytes, equalBytes, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { HASH_BYTES, requireBytes } from './cohort.ts';
import type { Id } from './cohort.ts';

export const X25519_BYTES = 32;
export const MLKEM_PUBLIC_BYTES = 1184;
export const MLKEM_CIPHERTEXT_BYTES = 1088;
/** q of ML-KEM (FIPS 203, section 2.4). */
const MLKEM_MODULUS = 3329;
/**
 * 3 polynomials of 256 coefficients at 12 bits; the last 32 bytes of the key are the seed of the
 * matrix.
 */
const MLKEM_COEFFICIENT_BYTES = 1152;

/** What a Register record publishes. */
export interface PublicKeys {
  /** 32 bytes, an X25519 public key that is not of low order. */
  readonly x25519: Uint8Array;
  /** 1184 bytes, an ML-KEM-768 encapsulation key. */
  readonly mlkem: Uint8Array;
}

/** The secret half. Holds secrets: never log, never serialise. */
export interface RoundKeys {
  readonly public: PublicKeys;
  readonly x25519Secret: Uint8Array;
  readonly mlkemSecret: Uint8Array;
  /** Key from which the randomness of every encapsulation is derived. */
  readonly encapsulationKey: Uint8Array;
}

/**
 * Resolves when libsodium's WebAssembly is compiled. Await it once before any other function of
 * `secagg/`.
 */
export const ready = async (): Promise<void> => {
  await sodium.ready;
};

/** HKDF-SHA256 (RFC 5869). `info` begins with the domain-separation tag. */
export const hkdf = (
  ikm: Uint8Array,
  salt: Uint8Array | undefined,
  info: Uint8Array,
  length: number,
): Uint8Array => nobleHkdf(nobleSha256, ikm, salt, info, length);

/**
 * Keys of one participant for one round from its fresh secret.
 * @param sigma 32 bytes from a CSPRNG, used in one round only.
 * @throws FloeError `key_invalid` for another length.
 */
export const derive = (sigma: Uint8Array): RoundKeys => {
  requireBytes(sigma, HASH_BYTES, 'key_invalid', 'sigma');
  const x25519Secret = hkdf(sigma, undefined, utf8('floe/secagg/x25519/v1'), X25519_BYTES);
  const mlkem = ml_kem768.keygen(hkdf(sigma, undefined, utf8('floe/secagg/mlkem768/v1'), 64));
  return {
    public: { x25519: sodium.crypto_scalarmult_base(x25519Secret), mlkem: mlkem.publicKey },
    x25519Secret,
    mlkemSecret: mlkem.secretKey,
    encapsulationKey: hkdf(sigma, undefined, utf8('floe/secagg/encapsulate/v1'), HASH_BYTES),
  };
};

/**
 * X25519 shared secret, 32 bytes; symmetric in the two parties.
 * @throws FloeError `key_invalid` if `peer` has the wrong length or the result is all zero (a point
 *   of low order, RFC 7748 section 6.1): the peer could otherwise force a secret that everybody
 *   knows.
 */
export const agree = (secret: Uint8Array, peer: Uint8Array): Uint8Array => {
  requireBytes(peer, X25519_BYTES, 'key_invalid', 'X25519 public key');
  let shared: Uint8Array;
  try {
    shared = sodium.crypto_scalarmult(secret, peer);
  } catch (cause) {
    throw new FloeError('key_invalid', 'expected an X25519 point of large order', {}, { cause });
  }
  if (equalBytes(shared, new Uint8Array(X25519_BYTES)))
    throw new FloeError('key_invalid', 'expected an X25519 point of large order, got a weak one');
  return shared;
};

// Any scalar shows whether a point has low order: clamping makes it a multiple of the cofactor.
const PROBE = new Uint8Array(X25519_BYTES).fill(1);

/**
 * Checks lengths, that the X25519 point is not of low order, and the modulus check of ML-KEM (FIPS
 * 203, section 7.2).
 * @throws FloeError `key_invalid`.
 */
export const validatePublicKeys = (keys: PublicKeys): void => {
  agree(PROBE, keys.x25519);
  requireBytes(keys.mlkem, MLKEM_PUBLIC_BYTES, 'key_invalid', 'ML-KEM-768 public key');
  for (let i = 0; i < MLKEM_COEFFICIENT_BYTES; i += 3) {
    const packed = keys.mlkem[i]! | (keys.mlkem[i + 1]! << 8) | (keys.mlkem[i + 2]! << 16);
    if ((packed & 0xfff) >= MLKEM_MODULUS || packed >>> 12 >= MLKEM_MODULUS)
      throw new FloeError('key_invalid', 'expected ML-KEM coefficients below 3329');
  }
};

export interface Encapsulation {
  /** 1088 bytes, travels with the Share message. */
  readonly ciphertext: Uint8Array;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/**
 * Encapsulation of participant `self` to `peer`, a function of sigma, the context and the peer:
 * recomputable by whoever reconstructs sigma, and never the same message for two peers, two keys or
 * two contexts.
 * @throws FloeError `key_invalid` if the peer's key is malformed.
 */
export const encapsulate = (
  keys: RoundKeys,
  context: Uint8Array,
  self: Id,
  peer: { readonly id: Id; readonly keys: PublicKeys },
): Encapsulation => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  requireBytes(peer.keys.mlkem, MLKEM_PUBLIC_BYTES, 'key_invalid', 'ML-KEM-768 public key');
  const info = concatBytes(utf8('floe/secagg/kem-message/v1'), self, peer.id, peer.keys.mlkem);
  const message = hkdf(keys.encapsulationKey, context, info, HASH_BYTES);
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(peer.keys.mlkem, message);
    return { ciphertext: cipherText, secret: sharedSecret };
  } catch (cause) {
    throw new FloeError('key_invalid', 'expected an ML-KEM-768 public key', {}, { cause });
  }
};

/**
 * The 32-byte secret in `ciphertext`. An altered ciphertext gives an unrelated secret, not an error
 * (implicit rejection).
 * @throws FloeError `share_invalid` for another length than 1088 bytes.
 */
export const decapsulate = (keys: RoundKeys, ciphertext: Uint8Array): Uint8Array => {
  requireBytes(ciphertext, MLKEM_CIPHERTEXT_BYTES, 'share_invalid', 'ML-KEM-768 ciphertext');
  return ml_kem768.decapsulate(ciphertext, keys.mlkemSecret);
};
