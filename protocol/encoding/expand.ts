/**
 * @module Public random bytes from a seed that a whole cohort shares: SHA-256 in counter mode,
 * which is the same in Node and in browsers, and synchronous. The rotation and the choice of
 * coordinates are drawn from it, each under its own tag.
 */
import { sha256 } from '../bytes.ts';
import { FloeError } from '../errors.ts';

export const SEED_BYTES = 32;
const DIGEST_BYTES = 32;

/** @throws FloeError `spec_invalid` when the seed has another length */
export const requireSeed = (seed: Uint8Array): void => {
  if (seed.length === SEED_BYTES) return;
  throw new FloeError(
    'spec_invalid',
    `expected a rotation seed of ${SEED_BYTES} bytes, got ${seed.length}`,
  );
};

/**
 * Block c of the stream is SHA-256(SHA-256(tag || seed) || u32le c).
 *
 * @param length at least as many bytes are returned
 */
export const expand = (tag: Uint8Array, seed: Uint8Array, length: number): Uint8Array => {
  const input = new Uint8Array(DIGEST_BYTES + 4);
  input.set(sha256(tag, seed));
  const view = new DataView(input.buffer);
  const digests = Math.ceil(length / DIGEST_BYTES);
  const bytes = new Uint8Array(digests * DIGEST_BYTES);
  for (let c = 0; c < digests; c += 1) {
    view.setUint32(DIGEST_BYTES, c, true);
    bytes.set(sha256(input), c * DIGEST_BYTES);
  }
  return bytes;
};
