/**
 * @module Shamir's t-of-n secret sharing over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (Shamir 1979),
 * one polynomial for each byte. Reconstruction is the audited `shamir-secret-sharing`. Splitting is
 * here because that library draws its randomness and its points from a module-level generator: the
 * points of this protocol are fixed (index in the cohort + 1) and its randomness is a parameter.
 * The share format is the library's, so each reconstruction checks the one against the other.
 */
import { combine } from 'shamir-secret-sharing';
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../ports/random.ts';

/** Longest secret, bytes. */
const MAX_SECRET_BYTES = 1024;

/**
 * Bytes of a secret as whole 32-bit words, the last one filled up with zeros: four field elements a
 * word.
 */
const toWords = (bytes: Uint8Array): Uint32Array => {
  const padded = new Uint8Array(4 * Math.ceil(bytes.length / 4));
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
};

/**
 * Multiplies each field element of `words` by `point`, in place, and adds `other`. Four elements at
 * a time; the number of steps and every address depend on the point alone, which is public, so time
 * does not depend on the secret.
 */
const timesPointPlus = (words: Uint32Array, point: number, other: Uint32Array): void => {
  for (let i = 0; i < words.length; i += 1) {
    let a = words[i]!;
    let product = 0;
    for (let b = point; b !== 0; b >>>= 1) {
      product ^= a & -(b & 1);
      a = ((a & 0x7f7f7f7f) << 1) ^ (((a >>> 7) & 0x01010101) * 0x1b);
    }
    words[i] = product ^ other[i]!;
  }
};

/**
 * Splits a secret into `n` shares, each one byte longer than it (the values, then the point), the
 * i-th at the point i + 1; any `t` of them give it back, fewer are independent of it.
 * @throws FloeError `internal` for an empty secret or one of more than 1024 bytes, arguments
 * outside 2 <= t <= n <= 255, or a random source that falls short
 */
export const split = (
  secret: Uint8Array,
  n: number,
  t: number,
  random: RandomSource,
): Uint8Array[] => {
  const { length } = secret;
  if (!(length >= 1 && length <= MAX_SECRET_BYTES && t >= 2 && t <= n && n <= 255))
    throw new FloeError('internal', `cannot split ${length} bytes ${t} of ${n}`);
  const drawn = random((t - 1) * length);
  if (drawn.length !== (t - 1) * length)
    throw new FloeError('internal', 'the random source returned too few bytes');
  const constant = toWords(secret);
  const coefficients = Array.from({ length: t - 1 }, (_, degree) =>
    toWords(drawn.subarray(degree * length, (degree + 1) * length)),
  );
  return Array.from({ length: n }, (_, index) => {
    const values = new Uint32Array(coefficients[t - 2]!);
    for (let degree = t - 3; degree >= 0; degree -= 1)
      timesPointPlus(values, index + 1, coefficients[degree]!);
    timesPointPlus(values, index + 1, constant);
    const share = new Uint8Array(length + 1);
    share.set(new Uint8Array(values.buffer, 0, length));
    share[length] = index + 1;
    return share;
  });
};

/**
 * The secret behind exactly `t` shares with distinct points; the caller has checked each against
 * its commitment.
 * @throws FloeError `not_enough_shares` for another number, `share_invalid` for malformed or
 * repeated ones, or shares of different lengths
 */
export const reconstruct = async (
  shares: readonly Uint8Array[],
  t: number,
): Promise<Uint8Array> => {
  if (shares.length !== t)
    throw new FloeError('not_enough_shares', `expected exactly ${t} shares, got ${shares.length}`);
  const length = shares[0]?.length ?? 0;
  const points = new Set(shares.map((share) => share.at(-1)));
  const alike = length >= 2 && shares.every((share) => share.length === length);
  if (!alike || points.size !== t || points.has(0))
    throw new FloeError('share_invalid', 'expected shares of one length with distinct points');
  // The library compares constructors: a Buffer is not a Uint8Array to it.
  return combine(shares.map((share) => new Uint8Array(share)));
};
