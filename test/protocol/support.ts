/**
 * @module Shared by the tests of protocol/: a seeded generator of numbers and a seeded byte stream.
 */
import { createCipheriv, createHash } from 'node:crypto';

/** xorshift32: uniform in [0, 1), the same sequence on every machine. */
export const uniform = (seed: number): (() => number) => {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

/** About normal (sum of 12 uniforms): only additions, so bit-exact. */
export const normal = (next: () => number): number => {
  let sum = -6;
  for (let i = 0; i < 12; i += 1) sum += next();
  return sum;
};

/** AES-256-CTR keystream under SHA-256(label). */
export const byteStream = (label: string): ((count: number) => Uint8Array) => {
  const key = createHash('sha256').update(label).digest();
  const cipher = createCipheriv('aes-256-ctr', key, new Uint8Array(16));
  return (count) => cipher.update(new Uint8Array(count));
};

export const l2 = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

export const difference = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array =>
  Float64Array.from(a, (value, i) => value - b[i]!);
