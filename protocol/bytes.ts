/**
 * @module Bytes: hashing, hex, comparison. SHA-256 (FIPS 180-4) comes from the platform where it is
 * fast (Node) and from noble elsewhere; both give the same digest.
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { FloeError } from './errors.ts';

/** `node:crypto` where there is one; `undefined` in browsers. */
export const nodeCrypto = globalThis.process?.getBuiltinModule?.('node:crypto');

/** Up to here joining the chunks costs less than a hash object. */
const ONE_SHOT_BYTES = 4096;

const join = (chunks: readonly Uint8Array[], total: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
};

const totalOf = (chunks: readonly Uint8Array[]): number => {
  let total = 0;
  for (const { length } of chunks) total += length;
  return total;
};

/** SHA-256 over the concatenation of `chunks`; 32 bytes. */
export const sha256 = (...chunks: readonly Uint8Array[]): Uint8Array => {
  if (nodeCrypto) {
    const total = totalOf(chunks);
    if (chunks.length === 1 || total <= ONE_SHOT_BYTES) {
      const whole = chunks.length === 1 ? (chunks[0] as Uint8Array) : join(chunks, total);
      return new Uint8Array(nodeCrypto.hash('sha256', whole, 'buffer'));
    }
    const hash = nodeCrypto.createHash('sha256');
    for (const chunk of chunks) hash.update(chunk);
    return new Uint8Array(hash.digest());
  }
  const hash = nobleSha256.create();
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
};

export const concatBytes = (...chunks: readonly Uint8Array[]): Uint8Array => joinBytes(chunks);

/** As `concatBytes`, of any number of chunks. */
export const joinBytes = (chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
  join(chunks, totalOf(chunks));

const utf8Encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => utf8Encoder.encode(text);
export const toHex = (bytes: Uint8Array): string => bytesToHex(bytes);

/** Lower-case hex to bytes. @throws FloeError `frame_malformed` on anything else. */
export const fromHex = (hex: string): Uint8Array => {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex))
    throw new FloeError('frame_malformed', 'expected lower-case hex of even length');
  return hexToBytes(hex);
};

/** Compares in time that depends on the length only. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
};

/** Byte order of ids, for sorting cohorts. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

/**
 * Copies into a new buffer, so that a view of a larger (or shared) buffer is never kept
 * alive or handed out.
 */
export const ownBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
