/**
 * @module Envelope encryption of blobs: AES-256-GCM (NIST SP 800-38D) under a fresh key per blob; the key itself is wrapped
 * by an AccessGate. The key is used once, so the nonce is fixed; the purpose is authenticated as associated data.
 */
import { encodeCbor } from './cbor.ts';
import type { KeyPurpose } from './access/access-gate.ts';
import { FloeError } from './errors.ts';
import { ownBytes, sha256, utf8 } from './bytes.ts';
import type { Identity } from './identity.ts';

export const ENVELOPE_KEY_BYTES = 32;
/** Bytes that encryption adds. */
export const ENVELOPE_OVERHEAD = 16;

/**
 * The key of a blob, from its author's signing key, the purpose and the content. Another content or purpose gives another key,
 * and nobody else can compute it, as if it were drawn; but after a crash the author finds the same one again, so that the blob
 * it has already stored and paid for is that blob. (Ed25519 signatures are deterministic, RFC 8032; unforgeable, so that their
 * hash is a pseudorandom function.)
 */
export const envelopeKey = (
  identity: Identity,
  purpose: KeyPurpose,
  plain: Uint8Array,
): Uint8Array => {
  const { run, round, role } = purpose;
  const about = encodeCbor({ run, round, role, content: sha256(plain) });
  return sha256(utf8('floe/envelope-key/v1'), identity.sign('envelope-key', about));
};

const parameters = (purpose: KeyPurpose) => ({
  name: 'AES-GCM',
  iv: new Uint8Array(12),
  additionalData: encodeCbor({
    tag: 'floe/blob/v1',
    run: purpose.run,
    round: purpose.round,
    role: purpose.role,
  }),
});

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
      ownBytes(plain),
    ),
  );

/** @throws FloeError `decryption_failed` when the key, the purpose or any byte is not the one it was made with */
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
        ownBytes(cipher),
      ),
    );
  } catch (cause) {
    throw new FloeError(
      'decryption_failed',
      `the ${purpose.role} of round ${purpose.round} does not decrypt`,
      {},
      { cause },
    );
  }
};
