/**
 * @module Encryption of a keystore's files. The key is derived from a passphrase by Argon2id (RFC
 * 9106, parameters in the file). The contents are encrypted with XChaCha20-Poly1305, with the
 * file's role as associated data, because no file may be substituted for another.
 */
import sodium from 'libsodium-wrappers';
import * as v from 'valibot';
import { concatBytes, nodeCrypto, utf8 } from '../../protocol/bytes.ts';
import {
  bytesUpTo,
  decodeCbor,
  encodeCbor,
  fixedBytes,
  integer,
} from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';

export interface KdfCost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
}

/** RFC 9106, section 4, second recommendation, in one lane: 64 MiB, about 0.2 s. */
export const DEFAULT_KDF_COST: KdfCost = { memory: 1 << 16, passes: 3 };

export const kdfSchema = v.strictObject({
  type: v.literal('argon2id'),
  salt: fixedBytes(16),
  // The bounds keep a file from outside from taking the machine down, or from asking for no work at
  // all.
  memory: integer(8, 1 << 21),
  passes: integer(1, 64),
});
export type Kdf = v.InferOutput<typeof kdfSchema>;

/**
 * 32 bytes from a passphrase. @throws FloeError `backend_unavailable` where the platform has no
 * Argon2
 */
export const deriveFileKey = (passphrase: string, kdf: Kdf): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    if (nodeCrypto?.argon2 === undefined) {
      reject(new FloeError('backend_unavailable', 'a keystore file needs Node 24.7 or newer'));
      return;
    }
    // NFKC: the same passphrase typed on another keyboard is the same passphrase.
    const message = utf8(passphrase.normalize('NFKC'));
    const { salt: nonce, memory, passes } = kdf;
    nodeCrypto.argon2(
      'argon2id',
      { message, nonce, memory, passes, parallelism: 1, tagLength: 32 },
      (error, key) => (error === null ? resolve(new Uint8Array(key)) : reject(error)),
    );
  });

const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const MAX_SEALED_BYTES = 32 << 20;
const sealedSchema = v.strictObject({
  v: v.literal(1),
  nonce: fixedBytes(NONCE_BYTES),
  box: bytesUpTo(MAX_SEALED_BYTES),
});

const associated = (role: string, header: Uint8Array): Uint8Array =>
  concatBytes(utf8(`floe/keystore/${role}/v1`), new Uint8Array([0]), header);

/**
 * @param role the purpose of the file; opening under another role fails
 * @param header authenticated with the contents, in clear
 */
export const seal = (
  key: Uint8Array,
  role: string,
  plain: Uint8Array,
  random: RandomSource,
  header: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  // The nonce is random and bound to the contents: a random source that repeats does not repeat it
  // for other contents.
  const nonce = sodium.crypto_generichash(NONCE_BYTES, concatBytes(random(32), plain), key);
  const box = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
    plain,
    associated(role, header),
    null,
    nonce,
    key,
  );
  return encodeCbor({ v: 1, nonce, box });
};

/**
 * @throws FloeError `data_malformed` (truncated, not such a file), `decryption_failed` (wrong key
 * or role, altered)
 */
export const unseal = (
  key: Uint8Array,
  role: string,
  bytes: Uint8Array,
  header: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  const { nonce, box } = decodeCbor(sealedSchema, bytes, 'data_malformed', MAX_SEALED_BYTES + 128);
  if (box.length < TAG_BYTES)
    throw new FloeError('data_malformed', `the ${role} file of the keystore is too short`);
  try {
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
      null,
      box,
      associated(role, header),
      nonce,
      key,
    );
  } catch (cause) {
    throw new FloeError(
      'decryption_failed',
      `the ${role} file of the keystore does not decrypt with this passphrase`,
      {},
      { cause },
    );
  }
};
