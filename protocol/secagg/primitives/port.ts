/**
 * @module The primitives of the key agreement as an interface: X25519 (RFC 7748), ML-KEM-768 (FIPS
 * 203), HKDF-SHA256 (RFC 5869), AES-256-GCM. Node computes them natively, browsers with kept
 * libraries; both are held to the same vectors. Keys are objects, so that each is checked and
 * imported once and then used many times.
 */

export const X25519_BYTES = 32;
export const MLKEM_SEED_BYTES = 64;
export const MLKEM_PUBLIC_BYTES = 1184;
export const MLKEM_CIPHERTEXT_BYTES = 1088;
/** Bytes of an X25519 or ML-KEM shared secret, of an AES-256 key and of a hash. */
export const KEY_BYTES = 32;
/** What AES-256-GCM adds to a plaintext. */
export const GCM_TAG_BYTES = 16;

/** The public half of an X25519 key pair, imported. */
export interface PointKey {
  /** 32 bytes. */
  readonly raw: Uint8Array;
}

/** An X25519 key pair. Holds a secret: never log, never serialise. */
export interface PointPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * 32 bytes, symmetric in the two parties.
   * @throws FloeError `key_invalid` for a point of low order, which would force a secret that
   * everybody knows
   */
  agree(peer: PointKey): Uint8Array;
}

export interface Encapsulation {
  /** 1088 bytes. */
  readonly ciphertext: Uint8Array;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** An ML-KEM-768 encapsulation key, imported. */
export interface KemKey {
  /** A fresh secret for the holder of the key; two calls give two secrets. */
  encapsulate(): Encapsulation;
}

/** An ML-KEM-768 key pair. Holds a secret: never log, never serialise. */
export interface KemPair {
  /** 1184 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The 32-byte secret in `ciphertext`. An altered ciphertext gives an unrelated secret, not an
   * error (implicit rejection).
   * @throws FloeError `share_invalid` for another length than 1088 bytes
   */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

export interface Primitives {
  readonly kind: 'native' | 'portable';
  /** The key pair of a 32-byte scalar (clamped inside). */
  pointPair(secret: Uint8Array): PointPair;
  /** @param raw 32 bytes, already checked by `validatePublicKeys` */
  pointKey(raw: Uint8Array): PointKey;
  /** The key pair of the 64-byte seed d || z (FIPS 203, algorithm 16). */
  kemPair(seed: Uint8Array): KemPair;
  /**
   * @param raw 1184 bytes, already checked by `validatePublicKeys` @throws FloeError `key_invalid`
   */
  kemKey(raw: Uint8Array): KemKey;
  /** `info` begins with the domain-separation tag; OpenSSL takes at most 1024 bytes of it. */
  hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Ciphertext and tag. The nonce is zero: a key must encrypt one plaintext only. */
  seal(key: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** The plaintext, or undefined where the tag does not verify. */
  open(
    key: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}
