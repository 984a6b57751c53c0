/**
 * @module The primitives in portable form, for browsers: libsodium (X25519), noble (ML-KEM-768,
 * HKDF) and WebCrypto (AES-256-GCM). Await `sodium.ready` first.
 */
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import sodium from 'libsodium-wrappers';
import { equalBytes } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { systemRandom, type RandomSource } from '../../ports/random.ts';
import {
  KEY_BYTES,
  MLKEM_CIPHERTEXT_BYTES,
  type KemKey,
  type KemPair,
  type PointPair,
  type Primitives,
} from './port.ts';

const ZERO = new Uint8Array(KEY_BYTES);

const pointPair = (secret: Uint8Array): PointPair => ({
  publicKey: sodium.crypto_scalarmult_base(secret),
  agree: ({ raw }) => {
    let shared: Uint8Array;
    try {
      shared = sodium.crypto_scalarmult(secret, raw);
    } catch (cause) {
      throw new FloeError('key_invalid', 'expected an X25519 point of large order', {}, { cause });
    }
    if (equalBytes(shared, ZERO))
      throw new FloeError('key_invalid', 'expected an X25519 point of large order, got a weak one');
    return shared;
  },
});

const kemPair = (seed: Uint8Array): KemPair => {
  const { publicKey, secretKey } = ml_kem768.keygen(seed);
  return {
    publicKey,
    decapsulate: (ciphertext) => {
      if (ciphertext.length !== MLKEM_CIPHERTEXT_BYTES)
        throw new FloeError('share_invalid', `expected a KEM ciphertext of 1088 bytes`);
      return ml_kem768.decapsulate(ciphertext, secretKey);
    },
  };
};

const kemKey = (raw: Uint8Array, random: RandomSource): KemKey => ({
  encapsulate: () => {
    try {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(raw, random(KEY_BYTES));
      return { ciphertext: cipherText, secret: sharedSecret };
    } catch (cause) {
      throw new FloeError('key_invalid', 'expected an ML-KEM-768 public key', {}, { cause });
    }
  },
});

const gcm = (aad: Uint8Array): AesGcmParams => ({
  name: 'AES-GCM',
  iv: new Uint8Array(12),
  additionalData: new Uint8Array(aad),
});

const importKey = (key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> =>
  globalThis.crypto.subtle.importKey('raw', new Uint8Array(key), 'AES-GCM', false, [usage]);

/** @param random a CSPRNG for encapsulations; a seeded one makes test vectors */
export const portablePrimitives = (random: RandomSource = systemRandom): Primitives => ({
  kind: 'portable',
  pointPair,
  pointKey: (raw) => ({ raw }),
  kemPair,
  kemKey: (raw) => kemKey(raw, random),
  hkdf: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  seal: async (key, aad, plain) =>
    new Uint8Array(
      await globalThis.crypto.subtle.encrypt(
        gcm(aad),
        await importKey(key, 'encrypt'),
        new Uint8Array(plain),
      ),
    ),
  open: async (key, aad, sealed) => {
    const imported = await importKey(key, 'decrypt');
    try {
      const data = new Uint8Array(sealed);
      return new Uint8Array(await globalThis.crypto.subtle.decrypt(gcm(aad), imported, data));
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'OperationError') return undefined;
      throw thrown;
    }
  },
});
