/**
 * @module The pseudo-random generator of the masks: AES-256 in counter mode (NIST SP 800-38A) with
 * a zero initial counter, by the platform's own code. Seekable. A zero counter is sound because a
 * seed is the key of one mask only: it is bound to one pair (or one participant), one attempt and
 * one context.
 */
import { nodeCrypto } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';

/** The next `length` bytes of an opened keystream. Await each call before the next. */
export type Keystream = (length: number) => Promise<Uint8Array<ArrayBuffer>>;

/** One platform's AES. */
export interface KeystreamPlatform {
  /** Bytes a call that this platform is fastest with while the caller's data stays in the cache. */
  readonly chunkBytes: number;
  /**
   * Opens the keystream of a 32-byte seed at any byte.
   * @throws FloeError `key_invalid` for a seed of another length, `internal` for an offset that is
   *   no integer >= 0.
   */
  readonly open: (seed: Uint8Array, byteOffset: number) => Promise<Keystream>;
}

const BLOCK_BYTES = 16;
const WEB_CHUNK_BYTES = 256 * 1024;

// The only plaintext ever encrypted here; never written to.
const zeros = new Uint8Array(WEB_CHUNK_BYTES + BLOCK_BYTES);
const zerosOf = (length: number): Uint8Array<ArrayBuffer> =>
  length <= zeros.length ? zeros.subarray(0, length) : new Uint8Array(length);

const requireCount = (value: number, what: string): void => {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new FloeError('internal', `expected ${what} as an integer >= 0, got ${value}`);
};

/** The counter block that holds a byte (128 bits, big-endian), and the bytes of it to skip. */
const seek = (byteOffset: number): { counter: Uint8Array<ArrayBuffer>; skip: number } => {
  const skip = byteOffset % BLOCK_BYTES;
  const counter = new Uint8Array(BLOCK_BYTES);
  new DataView(counter.buffer).setBigUint64(8, BigInt((byteOffset - skip) / BLOCK_BYTES));
  return { counter, skip };
};

/** `node:crypto` (OpenSSL, AES instructions); undefined in browsers. */
export const nodeKeystream: KeystreamPlatform | undefined = nodeCrypto && {
  chunkBytes: 64 * 1024,
  open: async (seed, byteOffset) => {
    requireBytes(seed, HASH_BYTES, 'key_invalid', 'mask seed');
    requireCount(byteOffset, 'an offset');
    const { counter, skip } = seek(byteOffset);
    // As in primitives/native.ts: raw bytes cost an exception.
    const key = nodeCrypto.createSecretKey(seed);
    const cipher = nodeCrypto.createCipheriv('aes-256-ctr', key, counter);
    cipher.update(zerosOf(skip));
    return async (length) => {
      requireCount(length, 'a length');
      const bytes = cipher.update(zerosOf(length));
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    };
  },
};

/**
 * WebCrypto; in browsers and in Node. Its calls are dear (a hop to another thread), so its chunks
 * are larger.
 */
export const webKeystream: KeystreamPlatform = {
  chunkBytes: WEB_CHUNK_BYTES,
  open: async (seed, byteOffset) => {
    requireBytes(seed, HASH_BYTES, 'key_invalid', 'mask seed');
    requireCount(byteOffset, 'an offset');
    const { subtle } = globalThis.crypto;
    const key = await subtle.importKey('raw', new Uint8Array(seed), 'AES-CTR', false, ['encrypt']);
    let position = byteOffset;
    return async (length) => {
      requireCount(length, 'a length');
      const { counter, skip } = seek(position);
      position += length;
      const algorithm = { name: 'AES-CTR', counter, length: 128 };
      return new Uint8Array(
        await subtle.encrypt(algorithm, key, zerosOf(skip + length)),
        skip,
        length,
      );
    };
  },
};

/** The fastest of this platform. */
export const platformKeystream: KeystreamPlatform = nodeKeystream ?? webKeystream;

/**
 * Bytes `byteOffset` to `byteOffset + length` of the mask of `seed`.
 * @throws FloeError `key_invalid` (seed length), `internal` (range).
 */
export const expandMask = async (
  seed: Uint8Array,
  byteOffset: number,
  length: number,
  platform: KeystreamPlatform = platformKeystream,
): Promise<Uint8Array<ArrayBuffer>> => (await platform.open(seed, byteOffset))(length);
