/**
 * @module Shamir's t-of-n secret sharing over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (Shamir 1979),
 * one polynomial for each byte. Reconstruction is the audited `shamir-secret-sharing`. Splitting is
 * here because that library draws its randomness and its points from a module-level generator: the
 * points of this protocol are fixed (index in the cohort + 1) and its randomness is a parameter.
 * The share format is the library's, so each reconstruction checks the one against the other.
 */
import { combine } from 'shamir-secret-sharing';
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../random.ts';

/** Bytes of a shared secret. */
export const SECRET_BYTES = 32;
/** Bytes of a share: 32 values, then the point. */
export const SHARE_BYTES = SECRET_BYTES + 1;

/**
 * Product in GF(2^8) without tables or branches: time and memory access do not depend on the secret
 * factor.
 */
const multiply = (secret: number, point: number): number => {
  let [a, b, product] = [secret, point, 0];
  for (let bit = 0; bit < 8; bit++) {
    product ^= a & -(b & 1);
    a = ((a << 1) ^ (0x11b & -(a >>> 7))) & 0xff;
    b >>>= 1;
  }
  return product;
};

/**
 * Splits a 32-byte secret into `n` shares of 33 bytes, the i-th at the point i + 1; any `t` of them
 * give it back, fewer are independent of it.
 * @throws FloeError `internal` for arguments outside 2 <= t <= n <= 255 or a random source that
 *   falls short.
 */
export const split = (
  secret: Uint8Array,
  n: number,
  t: number,
  random: RandomSource,
): Uint8Array[] => {
  if (secret.length !== SECRET_BYTES || !(t >= 2 && t <= n && n <= 255))
    throw new FloeError('internal', `cannot split ${secret.length} bytes ${t} of ${n}`);
  const coefficients = random((t - 1) * SECRET_BYTES);
  if (coefficients.length !== (t - 1) * SECRET_BYTES)
    throw new FloeError('internal', 'the random source returned too few bytes');
  return Array.from({ length: n }, (_, index) => {
    const share = new Uint8Array(SHARE_BYTES);
    for (let byte = 0; byte < SECRET_BYTES; byte++) {
      let value = 0;
      for (let degree = t - 2; degree >= 0; degree--)
        value = multiply(value ^ coefficients[degree * SECRET_BYTES + byte]!, index + 1);
      share[byte] = value ^ secret[byte]!;
    }
    share[SECRET_BYTES] = index + 1;
    return share;
  });
};

/**
 * The secret behind exactly `t` shares with distinct points; the caller has checked each against
 * its commitment.
 * @throws FloeError `not_enough_shares` for another number, `share_invalid` for malformed or
 *   repeated ones.
 */
export const reconstruct = async (
  shares: readonly Uint8Array[],
  t: number,
): Promise<Uint8Array> => {
  if (shares.length !== t)
    throw new FloeError('not_enough_shares', `expected exactly ${t} shares, got ${shares.length}`);
  const points = new Set(shares.map((share) => share[SECRET_BYTES]));
  if (shares.some((share) => share.length !== SHARE_BYTES) || points.size !== t || points.has(0))
    throw new FloeError('share_invalid', 'expected shares of 33 bytes with distinct points');
  // The library compares constructors: a Buffer is not a Uint8Array to it.
  return combine(shares.map((share) => new Uint8Array(share)));
};
