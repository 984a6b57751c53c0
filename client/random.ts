/**
 * @module Reproducible randomness for training: shuffles, initial weights, dropout. xoshiro128**
 * (Blackman and Vigna 2018) seeded from SHA-256 of a seed and a label. Each use has a separate
 * stream, and no stream depends on earlier ones. Not for secrets: noise and masks use other
 * sources.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { FloeError } from '../protocol/errors.ts';

export interface RandomStream {
  /** Uniform over 0 .. 2^32 - 1. */
  uint32(): number;
  /** Uniform over 0 .. bound - 1, without bias; `bound` is 1 .. 2^32. */
  below(bound: number): number;
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** xoshiro128** from its state, four 32-bit words that are not all zero. */
export const xoshiro128 = (a: number, b: number, c: number, d: number): (() => number) => {
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
};

/** The stream of `label` under `seed` (32 bytes). */
export const randomStream = (seed: Uint8Array, label: string): RandomStream => {
  if (seed.length !== 32)
    throw new FloeError('trainer_failed', `a training seed has 32 bytes, got ${seed.length}`);
  const hash = sha256.create().update(seed).update(new TextEncoder().encode(label)).digest();
  const state = new DataView(hash.buffer, hash.byteOffset);
  const word = (i: number): number => state.getInt32(4 * i, true);
  // The all-zero state is the generator's one fixed point.
  const uint32 = xoshiro128(word(0), word(1), word(2), word(3) | 1);
  const below = (bound: number): number => {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let value = uint32();
    while (value >= limit) value = uint32();
    return value % bound;
  };
  return { uint32, below };
};

/** A permutation of 0 .. size - 1 (Fisher and Yates). */
export const permutation = (size: number, stream: RandomStream): Uint32Array => {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
};
