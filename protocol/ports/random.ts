/**
 * @module Randomness, passed in everywhere. Production uses the platform's CSPRNG; the simulator
 * and the tests use a seeded stream (SHA-256 in counter mode over a domain tag and the seed), so
 * that a run can be repeated bit for bit.
 */
import { concatBytes, nodeCrypto, sha256, utf8 } from '../bytes.ts';

/** Returns `length` fresh random bytes. */
export type RandomSource = (length: number) => Uint8Array;

/** `crypto.getRandomValues` gives at most this many bytes a call. */
const PLATFORM_LIMIT = 65_536;

/** The platform's CSPRNG. */
export const systemRandom: RandomSource = (length) => {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += PLATFORM_LIMIT)
    crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + PLATFORM_LIMIT)));
  return bytes;
};

/** 32 bytes that depend on every part; used to give each purpose its own seed. */
export const deriveSeed = (
  seed: Uint8Array,
  ...labels: readonly (string | number | Uint8Array)[]
): Uint8Array =>
  sha256(
    utf8('floe/seed/v1'),
    seed,
    ...labels.map((label) => {
      const bytes = typeof label === 'object' ? label : utf8(String(label));
      return concatBytes(new Uint8Array([bytes.length & 0xff, bytes.length >>> 8]), bytes);
    }),
  );

/** A reproducible stream. Never for secrets outside simulations and tests. */
export const seededRandom = (seed: Uint8Array): RandomSource => {
  let counter = 0;
  let pool: Uint8Array = new Uint8Array(0);
  return (length) => {
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (pool.length === 0) {
        pool = sha256(utf8('floe/stream/v1'), seed, utf8(String(counter)));
        counter += 1;
      }
      const take = Math.min(pool.length, length - filled);
      out.set(pool.subarray(0, take), filled);
      pool = pool.subarray(take);
      filled += take;
    }
    return out;
  };
};

/**
 * Bytes of a stream that are made at a time: the first are few, because many parties of one process
 * draw no more than a nonce.
 */
const FIRST_CHUNK = 256;
const STREAM_CHUNK = 64 << 10;
const ZEROS = new Uint8Array(STREAM_CHUNK);

/**
 * A reproducible stream at the speed of the hardware: AES-256 in counter mode under the seed (32
 * bytes) where there is `node:crypto`, two hundred times as fast as {@link seededRandom}, which
 * stands in elsewhere. The two differ, so this is for what one party draws for itself in great
 * number, such as the rounding of every coordinate of an update.
 */
export const cipherStream = (seed: Uint8Array): RandomSource => {
  const cipher = nodeCrypto?.createCipheriv('aes-256-ctr', seed, new Uint8Array(16));
  if (cipher === undefined) return seededRandom(seed);
  let chunk = FIRST_CHUNK;
  let pool: Uint8Array = new Uint8Array(0);
  return (length) => {
    if (length <= pool.length) {
      const bytes = pool.subarray(0, length);
      pool = pool.subarray(length);
      return bytes;
    }
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (pool.length === 0) {
        pool = cipher.update(ZEROS.subarray(0, chunk));
        chunk = Math.min(4 * chunk, STREAM_CHUNK);
      }
      const take = pool.subarray(0, length - filled);
      out.set(take, filled);
      pool = pool.subarray(take.length);
      filled += take.length;
    }
    return out;
  };
};

/** A whole number in [0, bound), without modulo bias. */
export const randomBelow = (random: RandomSource, bound: number): number => {
  if (!Number.isSafeInteger(bound) || bound < 1 || bound > 2 ** 32)
    throw new RangeError(`bound must be an integer in [1, 2^32], got ${bound}`);
  const limit = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    const bytes = random(4);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    if (value < limit) return value % bound;
  }
};

/** A number in [0, 1), in steps of 2^-32. */
export const unitRandom = (random: RandomSource): number => randomBelow(random, 2 ** 32) / 2 ** 32;
