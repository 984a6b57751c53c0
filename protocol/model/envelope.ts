/**
 * @module Envelope encryption of blobs: AES-256-GCM (NIST SP 800-38D) under a fresh key per blob;
 * the key itself is wrapped by an AccessGate. The key is used once, so the nonce is fixed; the
 * purpose is authenticated as associated data.
 */
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 as sha256Hash } from '@noble/hashes/sha2.js';
import { encodeCbor } from '../wire/cbor.ts';
import type { KeyPurpose } from '../ports/access-gate.ts';
import { FloeError } from '../errors.ts';
import { concatBytes, ownBytes, sha256, utf8 } from '../bytes.ts';

export const ENVELOPE_KEY_BYTES = 32;
export const SEALING_SECRET_BYTES = 32;
/** Bytes that encryption adds. */
export const ENVELOPE_OVERHEAD = 16;

/**
 * The key of a blob, from its author's sealing secret, the purpose and the content (HKDF, RFC
 * 5869). Another content or purpose gives another key, and nobody else can compute it, as if it
 * were drawn; but after a crash the author finds the same one again, so that the blob it has
 * already stored and paid for is that blob.
 *
 * The secret is no signing key, and no signature gives anything away of it: a wallet or a device
 * that signs for the coordinator opens no model. A stolen sealing secret opens what the thief knows
 * the content of already. A stolen keystore opens every model and bundle all the same, with the
 * identity key that is in it: the coordinator is among their readers.
 *
 * @param secret 32 bytes, kept where the identity is
 * @throws FloeError `key_invalid` on another length
 */
export const envelopeKey = (
  secret: Uint8Array,
  purpose: KeyPurpose,
  plain: Uint8Array,
): Uint8Array => {
  if (secret.length !== SEALING_SECRET_BYTES)
    throw new FloeError(
      'key_invalid',
      `expected a sealing secret of ${SEALING_SECRET_BYTES} bytes, got ${secret.length}`,
    );
  const { run, attempt, role } = purpose;
  const about = encodeCbor({ run, attempt, role, content: sha256(plain) });
  const info = concatBytes(utf8('floe/envelope-key/v2'), new Uint8Array([0]), about);
  return hkdf(sha256Hash, secret, undefined, info, ENVELOPE_KEY_BYTES);
};

const parameters = (purpose: KeyPurpose) => ({
  name: 'AES-GCM',
  iv: new Uint8Array(12),
  additionalData: encodeCbor({
    tag: 'floe/blob/v1',
    run: purpose.run,
    attempt: purpose.attempt,
    role: purpose.role,
  }),
});

/** WebCrypto copies what it is given, and refuses shared memory only. */
const unshared = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : ownBytes(bytes);

const importKey = (key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', ownBytes(key), 'AES-GCM', false, [usage]);

/** Encrypts `plain` under a key that must never be used again. */
export const encryptBlob = async (
  key: Uint8Array,
  purpose: KeyPurpose,
  plain: Uint8Array,
): Promise<Uint8Array> =>
  new Uint8Array(
    await crypto.subtle.encrypt(
      parameters(purpose),
      await importKey(key, 'encrypt'),
      unshared(plain),
    ),
  );

/**
 * @throws FloeError `decryption_failed` when the key, the purpose or any byte is not the one it was
 * made with
 */
export const decryptBlob = async (
  key: Uint8Array,
  purpose: KeyPurpose,
  cipher: Uint8Array,
): Promise<Uint8Array> => {
  try {
    return new Uint8Array(
      await crypto.subtle.decrypt(
        parameters(purpose),
        await importKey(key, 'decrypt'),
        unshared(cipher),
      ),
    );
  } catch (cause) {
    throw new FloeError(
      'decryption_failed',
      `the ${purpose.role} of attempt ${purpose.attempt} does not decrypt`,
      {},
      { cause },
    );
  }
};
