/**
 * @module What a simulation keeps of models to be resumed with, encrypted: no file of a run but its
 * export holds a model in clear. AES-256-GCM (NIST SP 800-38D) with a random nonce each time.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FloeError } from '../../protocol/errors.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param key 32 bytes, for this purpose only @returns nonce, ciphertext, tag */
export const seal = (key: Uint8Array, bytes: Uint8Array): Uint8Array => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce);
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
};

/** @param what is read, for the message @throws FloeError `data_malformed` */
export const unseal = (key: Uint8Array, sealed: Uint8Array, what: string): Uint8Array => {
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const body = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    return new Uint8Array(Buffer.concat([body, decipher.final()]));
  } catch (cause) {
    throw new FloeError(
      'data_malformed',
      `${what} was changed, or is of another run`,
      {},
      { cause },
    );
  }
};
