/**
 * @module Ed25519 (RFC 8032): signatures by OpenSSL under Node, by libsodium elsewhere, with equal
 * bytes and equal answers.
 *
 * Implementations differ on signatures that no honest signer makes: keys of small or mixed order,
 * encodings beyond p. A record that a browser refuses and Node accepts would split a run, so
 * libsodium decides. OpenSSL is its fast path: where the key is canonical and neither key nor R has
 * small order, what OpenSSL's equation (the one without the cofactor) accepts, libsodium accepts as
 * well; everything else is put to libsodium itself.
 */
import type { KeyObject } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { concatBytes, fromHex, nodeCrypto, toHex } from '../bytes.ts';

const SECRET_PREFIX = fromHex('302e020100300506032b657004220420');
const PUBLIC_PREFIX = fromHex('302a300506032b6570032100');

type Sign = (message: Uint8Array) => Uint8Array;

/** Signs with the key of a 32-byte seed; deterministic, 64 bytes. Needs `sodium.ready`. */
export const signerOf = (seed: Uint8Array): Sign => {
  if (nodeCrypto === undefined) {
    const { privateKey } = sodium.crypto_sign_seed_keypair(seed);
    return (message) => sodium.crypto_sign_detached(message, privateKey);
  }
  const { createPrivateKey, sign } = nodeCrypto;
  const own = seed.slice();
  let key: KeyObject | undefined;
  // Made for the first signature: of many identities only the public key is wanted.
  return (message) => {
    key ??= createPrivateKey({
      key: Buffer.from(concatBytes(SECRET_PREFIX, own)),
      format: 'der',
      type: 'pkcs8',
    });
    return new Uint8Array(sign(null, message, key));
  };
};

/** y of the points of order 1, 2, 4 and 8, without the sign of x. */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Whether y is below p and not of a point of small order. */
const isPlain = (point: Uint8Array): boolean => {
  const y = point.with(31, point[31]! & 0x7f);
  // p = 2^255 - 19.
  const beyond =
    y[31] === 0x7f && y[0]! >= 0xed && y.subarray(1, 31).every((byte) => byte === 0xff);
  return !beyond && !SMALL_ORDER.has(toHex(y));
};

const KEYS_KEPT = 1024;
const keys = new Map<string, KeyObject>();

/** The key as OpenSSL takes it; those of a cohort are wanted again and again. */
const imported = (crypto: NonNullable<typeof nodeCrypto>, publicKey: Uint8Array): KeyObject => {
  const name = toHex(publicKey);
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = crypto.createPublicKey({
    key: Buffer.from(concatBytes(PUBLIC_PREFIX, publicKey)),
    format: 'der',
    type: 'spki',
  });
  if (keys.size >= KEYS_KEPT) keys.clear();
  keys.set(name, key);
  return key;
};

/**
 * Whether `signature` (64 bytes) is that of `publicKey` (32 bytes) over `message`, as libsodium
 * says.
 */
export const verifyEd25519 = (
  message: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean => {
  const plain = isPlain(publicKey) && isPlain(signature.subarray(0, 32));
  if (plain && nodeCrypto?.verify(null, message, imported(nodeCrypto, publicKey), signature))
    return true;
  return sodium.crypto_sign_verify_detached(signature, message, publicKey);
};
