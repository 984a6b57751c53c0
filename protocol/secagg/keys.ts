/**
 * @module The keys of one participant for one attempt. Two independent fresh secrets of 32 bytes
 * make one key pair each (Bonawitz et al. 2017, section 6): sigma makes the *masking* keys and is
 * Shamir-shared; c makes the *sealing* keys, is never shared, and is erased after the attempt. A
 * pair is X25519 (RFC 7748) and ML-KEM-768 (FIPS 203), both derived by HKDF-SHA256 (RFC 5869).
 * A party that reconstructs sigma of a dropped participant can therefore recompute each of its pair
 * masks, and opens no share that was sealed to it.
 */
import sodium from 'libsodium-wrappers';
import { equalBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { createMemo } from '../memo.ts';
import { requireBytes } from './require-lengths.ts';
import {
  KEY_BYTES,
  MLKEM_PUBLIC_BYTES,
  MLKEM_SEED_BYTES,
  platformPrimitives,
  X25519_BYTES,
  type KemKey,
  type KemPair,
  type PointKey,
  type PointPair,
  type Primitives,
} from './primitives/index.ts';

/** q of ML-KEM (FIPS 203, section 2.4). */
const MLKEM_MODULUS = 3329;
/**
 * 3 polynomials of 256 coefficients at 12 bits; the last 32 bytes of the key are the seed of the
 * matrix.
 */
const MLKEM_COEFFICIENT_BYTES = 1152;

/**
 * What a key pair is for; each use derives separate keys. `answer`: the coordinator's key of an
 * attempt.
 */
export type KeyUse = 'mask' | 'seal' | 'answer';

/** The public half, as records carry it. */
export interface PublicKeys {
  /** 32 bytes, an X25519 public key that is not of low order. */
  readonly x25519: Uint8Array;
  /** 1184 bytes, an ML-KEM-768 encapsulation key. */
  readonly mlkem: Uint8Array;
}

/** A key pair. Holds secrets: never log, never serialise. */
export interface AttemptKeyPairs {
  readonly public: PublicKeys;
  readonly point: PointPair;
  readonly kem: KemPair;
  readonly primitives: Primitives;
}

/** Public keys ready for use: each half is imported when it is first wanted, and then kept. */
export interface PeerKeys {
  readonly raw: PublicKeys;
  point(): PointKey;
  kem(): KemKey;
}

/**
 * Resolves when libsodium's WebAssembly is compiled. Await it once before any other function of
 * `secagg/`.
 */
export const ready = async (): Promise<void> => {
  await sodium.ready;
};

const NO_SALT = new Uint8Array(0);

/** The 64-byte ML-KEM seed of a secret: what a complaint reveals. */
export const kemSeed = (
  secret: Uint8Array,
  use: KeyUse,
  primitives: Primitives = platformPrimitives,
): Uint8Array => {
  requireBytes(secret, KEY_BYTES, 'key_invalid', `${use} secret`);
  return primitives.hkdf(secret, NO_SALT, utf8(`floe/secagg/${use}/mlkem768/v1`), MLKEM_SEED_BYTES);
};

/** The X25519 scalar of a secret, before clamping. Secret. */
export const pointSecret = (
  secret: Uint8Array,
  use: KeyUse,
  primitives: Primitives = platformPrimitives,
): Uint8Array => {
  requireBytes(secret, KEY_BYTES, 'key_invalid', `${use} secret`);
  return primitives.hkdf(secret, NO_SALT, utf8(`floe/secagg/${use}/x25519/v1`), X25519_BYTES);
};

/**
 * The key pair of a fresh secret.
 * @param secret 32 bytes from a CSPRNG, used in one attempt and for one use only
 * @throws FloeError `key_invalid` for another length
 */
export const deriveKeys = (
  secret: Uint8Array,
  use: KeyUse,
  primitives: Primitives = platformPrimitives,
): AttemptKeyPairs => {
  const point = primitives.pointPair(pointSecret(secret, use, primitives));
  const kem = primitives.kemPair(kemSeed(secret, use, primitives));
  return { public: { x25519: point.publicKey, mlkem: kem.publicKey }, point, kem, primitives };
};

/** Whether two public halves are the same. */
export const samePublicKeys = (a: PublicKeys, b: PublicKeys): boolean =>
  equalBytes(a.x25519, b.x25519) && equalBytes(a.mlkem, b.mlkem);

/**
 * The u-coordinates of order 1, 2, 4 and 8 on the curve and on its twist, and the encodings of 0
 * and 1 beyond p; the top bit does not count (RFC 7748, section 5).
 */
const LOW_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

const requireLengths = ({ x25519, mlkem }: PublicKeys): void => {
  requireBytes(x25519, X25519_BYTES, 'key_invalid', 'X25519 public key');
  requireBytes(mlkem, MLKEM_PUBLIC_BYTES, 'key_invalid', 'ML-KEM-768 public key');
};

/**
 * Checks lengths, that the X25519 point is not of low order, and the modulus check of ML-KEM (FIPS
 * 203, section 7.2).
 * @throws FloeError `key_invalid`
 */
export const validatePublicKeys = (keys: PublicKeys): void => {
  requireLengths(keys);
  const { x25519, mlkem } = keys;
  if (LOW_ORDER.has(toHex(x25519.with(31, x25519[31]! & 0x7f))))
    throw new FloeError('key_invalid', 'expected an X25519 point of large order, got a weak one');
  for (let i = 0; i < MLKEM_COEFFICIENT_BYTES; i += 3) {
    const packed = mlkem[i]! | (mlkem[i + 1]! << 8) | (mlkem[i + 2]! << 16);
    if ((packed & 0xfff) >= MLKEM_MODULUS || packed >>> 12 >= MLKEM_MODULUS)
      throw new FloeError('key_invalid', 'expected ML-KEM coefficients below 3329');
  }
};

/**
 * Keys imported last, by their hash: participants of one process meet the same ones. Public values
 * only.
 */
const IMPORTED_KEYS = 512;
const imported = createMemo<PeerKeys>(Number.POSITIVE_INFINITY, IMPORTED_KEYS);

/** Checks public keys and makes them usable. @throws FloeError `key_invalid` */
export const importPublicKeys = (
  raw: PublicKeys,
  primitives: Primitives = platformPrimitives,
): PeerKeys => {
  requireLengths(raw);
  const name = sha256(utf8(primitives.kind), raw.x25519, raw.mlkem);
  const known = imported.get(name);
  if (known !== undefined) return known;
  validatePublicKeys(raw);
  let point: PointKey | undefined;
  let kem: KemKey | undefined;
  const keys: PeerKeys = {
    raw,
    point: () => (point ??= primitives.pointKey(raw.x25519)),
    kem: () => (kem ??= primitives.kemKey(raw.mlkem)),
  };
  imported.add(name, keys, 1);
  return keys;
};
