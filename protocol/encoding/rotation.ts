/**
 * @module The random rotation: an orthogonal map that spreads any update evenly over all coordinates, so that one scale fits
 * them all. Signs and Walsh-Hadamard inside each block (Kairouz et al. 2021), then mixing across blocks.
 *
 * Across blocks because layers differ: the update of a small last layer can hold half the energy, all of it inside one block,
 * where the scale for 1/sqrt(padded) would clamp it. Coordinate j of all m blocks goes through a network of two-point
 * butterflies (a, b) -> (a + b, a - b) / sqrt(2): a segment of blocks is folded in halves, then each half likewise. For m a power
 * of two that is the transform itself and spreads perfectly: one round of signs, transform and mixing is the whole rotation.
 * Otherwise some blocks find no partner, so a second round with fresh signs mixes mirrored: wherever the energy was, no block is
 * expected to hold more than 1.57 times its even share (computed for m up to 520; 1.24 on average over m), where one network
 * alone leaves up to 5 times. The second round transforms inside the blocks again because mixing alone never evens out the
 * columns: their products of normals would have heavy tails, which the clamp cuts off.
 *
 * Each step is its own inverse, so the inverse is the same steps backwards.
 */
import { sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { createMemo } from '../memo.ts';
import { walshHadamard } from './hadamard.ts';
import type { RingLayout } from './layout.ts';

export const ROTATION_SEED_BYTES = 32;

const SIGNS_TAG = utf8('floe/rotation-signs/v1\0');
const DIGEST_BYTES = 32;

/** The last few seeds: who encodes with one decodes the sum with it as well. */
const EXPANDED_BYTES = 4 << 20;
const expanded = createMemo<Uint8Array>(EXPANDED_BYTES);

/**
 * Public random bits: SHA-256 in counter mode, block c = SHA-256(SHA-256(tag || seed || layer) || u32le c), which is the same in
 * Node and in browsers, and synchronous.
 *
 * @param count bits wanted, at most 2^31; bit i is bit (i mod 8) of byte floor(i / 8)
 * @returns not to be changed
 */
export const expandSigns = (seed: Uint8Array, layer: number, count: number): Uint8Array => {
  const input = new Uint8Array(DIGEST_BYTES + 4);
  const key = sha256(SIGNS_TAG, seed, new Uint8Array([layer]));
  const digests = Math.ceil(count / (8 * DIGEST_BYTES));
  const known = expanded.get(key);
  if (known?.length === digests * DIGEST_BYTES) return known;
  input.set(key);
  const view = new DataView(input.buffer);
  const bits = new Uint8Array(digests * DIGEST_BYTES);
  for (let c = 0; c < digests; c += 1) {
    view.setUint32(DIGEST_BYTES, c, true);
    bits.set(sha256(input), c * DIGEST_BYTES);
  }
  expanded.add(key, bits, bits.length);
  return bits;
};

/** The factors of a byte of signs, eight a byte, first bit first. */
const FACTORS = Float64Array.from(
  { length: 256 * 8 },
  (_, i) => 1 - 2 * (((i >> 3) >> (i & 7)) & 1),
);

/** @param x a multiple of 8 values */
const applySigns = (x: Float64Array, signs: Uint8Array): void => {
  for (let i = 0; i < x.length; i += 8) {
    const f = signs[i >> 3]! << 3;
    x[i] = x[i]! * FACTORS[f]!;
    x[i + 1] = x[i + 1]! * FACTORS[f + 1]!;
    x[i + 2] = x[i + 2]! * FACTORS[f + 2]!;
    x[i + 3] = x[i + 3]! * FACTORS[f + 3]!;
    x[i + 4] = x[i + 4]! * FACTORS[f + 4]!;
    x[i + 5] = x[i + 5]! * FACTORS[f + 5]!;
    x[i + 6] = x[i + 6]! * FACTORS[f + 6]!;
    x[i + 7] = x[i + 7]! * FACTORS[f + 7]!;
  }
};

/** Pairs of blocks of one network, in order: [a0, b0, a1, b1, ..]. */
const foldingPairs = (blocks: number): Int32Array => {
  const pairs: number[] = [];
  let segments: readonly (readonly [number, number])[] = [[0, blocks]];
  while (segments.length > 0) {
    const next: [number, number][] = [];
    for (const [start, end] of segments) {
      const half = Math.ceil((end - start) / 2);
      for (let i = start; i + half < end; i += 1) pairs.push(i, i + half);
      next.push([start, start + half], [start + half, end]);
    }
    segments = next.filter(([start, end]) => end - start > 1);
  }
  return Int32Array.from(pairs);
};

const SQRT_HALF = Math.sqrt(0.5);

const butterflies = (tile: Float64Array, width: number, pairs: Int32Array): void => {
  for (let p = 0; p < pairs.length; p += 2) {
    let i = pairs[p]! * width;
    let j = pairs[p + 1]! * width;
    for (const end = i + width; i < end; i += 1, j += 1) {
      const a = tile[i]!;
      const b = tile[j]!;
      tile[i] = (a + b) * SQRT_HALF;
      tile[j] = (a - b) * SQRT_HALF;
    }
  }
};

/** Values of all blocks that one tile holds: fits a second-level cache. */
const TILE_VALUES = 2 ** 14;

const mixBlocks = (x: Float64Array, layout: RingLayout, pairs: Int32Array): void => {
  const { blockSize, blocks } = layout;
  if (blocks === 1) return;
  let width = blockSize;
  while (width > 16 && width * blocks > TILE_VALUES) width /= 2;
  // Copied together, because rows a power of two apart would push each other out of the cache.
  const tile = new Float64Array(blocks * width);
  for (let from = 0; from < blockSize; from += width) {
    for (let block = 0; block < blocks; block += 1) {
      const at = block * blockSize + from;
      tile.set(x.subarray(at, at + width), block * width);
    }
    butterflies(tile, width, pairs);
    for (let block = 0; block < blocks; block += 1)
      x.set(tile.subarray(block * width, (block + 1) * width), block * blockSize + from);
  }
};

/** The pairs in the opposite order. */
const backwards = (pairs: Int32Array): Int32Array => {
  const reversed = new Int32Array(pairs.length);
  for (let p = 0; p < pairs.length; p += 2) {
    reversed[pairs.length - 2 - p] = pairs[p]!;
    reversed[pairs.length - 1 - p] = pairs[p + 1]!;
  }
  return reversed;
};

/** Signs, transform inside the blocks, mixing across them. */
interface Round {
  readonly signs: Uint8Array;
  readonly pairs: Int32Array;
}

/** One round when a single network mixes perfectly, else two. */
const roundCount = ({ blocks }: RingLayout): number => ((blocks & (blocks - 1)) === 0 ? 1 : 2);

const planRounds = (layout: RingLayout, seed: Uint8Array): readonly Round[] => {
  if (seed.length !== ROTATION_SEED_BYTES)
    throw new FloeError(
      'spec_invalid',
      `expected a rotation seed of ${ROTATION_SEED_BYTES} bytes, got ${seed.length}`,
    );
  const { blocks, padded } = layout;
  const pairs = foldingPairs(blocks);
  const mirrored = pairs.map((block) => blocks - 1 - block);
  return [pairs, mirrored]
    .slice(0, roundCount(layout))
    .map((network, layer) => ({ signs: expandSigns(seed, layer, padded), pairs: network }));
};

const transformBlocks = (x: Float64Array, layout: RingLayout): void => {
  for (let start = 0; start < layout.padded; start += layout.blockSize)
    walshHadamard(x, start, layout.blockSize);
};

/** The factor that `rotate` and `rotateBack` leave in the norm, because the caller scales anyway. */
export const rotationGain = (layout: RingLayout): number =>
  roundCount(layout) === 1 ? Math.sqrt(layout.blockSize) : layout.blockSize;

/**
 * x <- rotationGain * R x, in place.
 *
 * @param x `layout.padded` values
 * @param seed 32 bytes of public randomness, fixed after the updates' authors are
 * @throws FloeError `spec_invalid` when the seed has another length
 */
export const rotate = (x: Float64Array, layout: RingLayout, seed: Uint8Array): void => {
  for (const { signs, pairs } of planRounds(layout, seed)) {
    applySigns(x, signs);
    transformBlocks(x, layout);
    mixBlocks(x, layout, pairs);
  }
};

/** x <- rotationGain * R^-1 x, in place: the steps of `rotate` backwards. */
export const rotateBack = (x: Float64Array, layout: RingLayout, seed: Uint8Array): void => {
  for (const { signs, pairs } of planRounds(layout, seed).toReversed()) {
    mixBlocks(x, layout, backwards(pairs));
    transformBlocks(x, layout);
    applySigns(x, signs);
  }
};
