/**
 * @module The primitives as OpenSSL computes them under Node (`node:crypto`), ten to thirty times
 * as fast as the portable ones. Keys travel raw; PKCS#8 and SubjectPublicKeyInfo (RFC 8410; RFC
 * 9935 with the seed alone) are prefixes of fixed bytes.
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, equalBytes, fromHex, nodeCrypto } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import {
  GCM_TAG_BYTES,
  KEY_BYTES,
  MLKEM_CIPHERTEXT_BYTES,
  MLKEM_PUBLIC_BYTES,
  X25519_BYTES,
  type KemKey,
  type KemPair,
  type PointKey,
  type PointPair,
  type Primitives,
} from './port.ts';

const PREFIX = {
  x25519Secret: fromHex('302e020100300506032b656e04220420'),
  x25519Public: fromHex('302a300506032b656e032100'),
  mlkemSeed: fromHex('3054020100300b060960864801650304040204428040'),
  mlkemPublic: fromHex('308204b2300b0609608648016503040402038204a100'),
} as const;
const NONCE = new Uint8Array(12);
const ZERO = new Uint8Array(KEY_BYTES);

type NodeCrypto = NonNullable<typeof nodeCrypto>;

/**
 * `encapsulate` and `decapsulate` came with Node 24; the types do not promise them on older ones.
 */
const hasKem = (crypto: NodeCrypto): boolean =>
  typeof crypto.encapsulate === 'function' && typeof crypto.decapsulate === 'function';

class NativePoint implements PointKey {
  readonly raw: Uint8Array;
  readonly handle: KeyObject;
  constructor(raw: Uint8Array, handle: KeyObject) {
    this.raw = raw;
    this.handle = handle;
  }
}

const build = (crypto: NodeCrypto): Primitives => {
  const secretKey = (prefix: Uint8Array, secret: Uint8Array): KeyObject =>
    crypto.createPrivateKey({
      key: Buffer.from(concatBytes(prefix, secret)),
      format: 'der',
      type: 'pkcs8',
    });
  const publicKey = (prefix: Uint8Array, raw: Uint8Array): KeyObject => {
    try {
      return crypto.createPublicKey({
        key: Buffer.from(concatBytes(prefix, raw)),
        format: 'der',
        type: 'spki',
      });
    } catch (cause) {
      throw new FloeError('key_invalid', 'expected a public key', {}, { cause });
    }
  };
  const rawOf = (handle: KeyObject, length: number): Uint8Array => {
    const der = crypto.createPublicKey(handle).export({ format: 'der', type: 'spki' });
    return new Uint8Array(der.subarray(der.length - length));
  };

  // Node finds out that raw bytes are no key object by an exception, which costs more than making
  // one.
  const symmetric = (key: Uint8Array): KeyObject => crypto.createSecretKey(key);

  const pointKey = (raw: Uint8Array): NativePoint =>
    new NativePoint(raw, publicKey(PREFIX.x25519Public, raw));
  const pointPair = (secret: Uint8Array): PointPair => {
    const handle = secretKey(PREFIX.x25519Secret, secret);
    return {
      publicKey: rawOf(handle, X25519_BYTES),
      agree: (peer) => {
        const other = peer instanceof NativePoint ? peer : pointKey(peer.raw);
        let shared: Uint8Array;
        try {
          const input = { privateKey: handle, publicKey: other.handle };
          shared = new Uint8Array(crypto.diffieHellman(input));
        } catch (cause) {
          const message = 'expected an X25519 point of large order';
          throw new FloeError('key_invalid', message, {}, { cause });
        }
        if (equalBytes(shared, ZERO))
          throw new FloeError('key_invalid', 'expected an X25519 point of large order');
        return shared;
      },
    };
  };

  const kemPair = (seed: Uint8Array): KemPair => {
    const handle = secretKey(PREFIX.mlkemSeed, seed);
    return {
      publicKey: rawOf(handle, MLKEM_PUBLIC_BYTES),
      decapsulate: (ciphertext) => {
        if (ciphertext.length !== MLKEM_CIPHERTEXT_BYTES)
          throw new FloeError('share_invalid', 'expected a KEM ciphertext of 1088 bytes');
        return new Uint8Array(crypto.decapsulate(handle, ciphertext));
      },
    };
  };
  const kemKey = (raw: Uint8Array): KemKey => {
    const handle = publicKey(PREFIX.mlkemPublic, raw);
    return {
      encapsulate: () => {
        const { ciphertext, sharedKey } = crypto.encapsulate(handle);
        return { ciphertext: new Uint8Array(ciphertext), secret: new Uint8Array(sharedKey) };
      },
    };
  };

  return {
    kind: 'native',
    pointPair,
    pointKey,
    kemPair,
    kemKey,
    hkdf: (ikm, salt, info, length) =>
      new Uint8Array(crypto.hkdfSync('sha256', symmetric(ikm), salt, info, length)),
    seal: (key, aad, plain) => {
      const cipher = crypto.createCipheriv('aes-256-gcm', symmetric(key), NONCE).setAAD(aad);
      return concatBytes(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    },
    open: (key, aad, sealed) => {
      if (sealed.length < GCM_TAG_BYTES) return undefined;
      const end = sealed.length - GCM_TAG_BYTES;
      const decipher = crypto
        .createDecipheriv('aes-256-gcm', symmetric(key), NONCE, { authTagLength: GCM_TAG_BYTES })
        .setAAD(aad)
        .setAuthTag(sealed.subarray(end));
      const plain = decipher.update(sealed.subarray(0, end));
      try {
        return concatBytes(plain, decipher.final());
      } catch {
        // OpenSSL's one reason here: the tag does not verify.
        return undefined;
      }
    },
  };
};

/** `undefined` where there is no `node:crypto` with ML-KEM: in browsers. */
export const nativePrimitives: Primitives | undefined =
  nodeCrypto !== undefined && hasKem(nodeCrypto) ? build(nodeCrypto) : undefined;
