/**
 * @module The random rotation: an orthogonal map that makes the coordinates of any update close to
 * normal with one variance, so that one scale fits them all (Kairouz et al. 2021, section 4). It is
 * block-diagonal: coordinates are dealt out to equal blocks, and each block gets random signs and a
 * separate Walsh-Hadamard transform. So one block of a sum decodes alone, which is what a spot
 * check of a commit needs (encoding/leaves.ts).
 *
 * Dealing: layers differ, and the update of a small last layer can hold half the energy. Each group
 * of m consecutive coordinates, m the number of blocks, gives one coordinate to each block, turned
 * by a random shift: coordinate g m + r lies in block (r + shift_g) mod m at position g. A block's
 * expected energy is then its even share, whatever the layers are. What deviates from it is
 * clipped: see `BLOCK_ENERGY` in layout.ts. Of a low-rank update, units are dealt in place of
 * coordinates: r consecutive ones lie at r consecutive positions of one block.
 */
import { utf8 } from '../bytes.ts';
import { createMemo } from '../memo.ts';
import { expand, requireSeed } from './expand.ts';
import { walshHadamard } from './hadamard.ts';
import type { SegmentLayout } from './layout.ts';

const SIGNS_TAG = utf8('floe/rotation-signs/v2\0');
const SHIFTS_TAG = utf8('floe/rotation-shifts/v2\0');

/** Segments of equal blocks are rotated alike. */
export type Blocks = Pick<SegmentLayout, 'blocks' | 'blockSize' | 'padded' | 'whole'>;

/** How the blocks of a segment are rotated by one seed. */
export interface Rotation {
  readonly blocks: number;
  readonly blockSize: number;
  /** Coordinates that are dealt together: 1, or the rank of a low-rank update. */
  readonly grain: number;
  /** Bit (i mod 8) of byte floor(i / 8) is set where lane i changes its sign. */
  readonly signs: Uint8Array;
  /** By position in a block, 0 to blocks - 1. */
  readonly shifts: Int32Array;
}

/** The last few seeds: who encodes with one decodes the sum with it as well. */
const KEPT_BYTES = 4 << 20;
const KEPT_SEEDS = 16;
const kept = createMemo<Rotation>(KEPT_BYTES, KEPT_SEEDS);

/**
 * @param seed 32 bytes of public randomness, fixed after the updates' authors are
 * @throws FloeError `spec_invalid` when the seed has another length
 */
export const planRotation = (segment: Blocks, seed: Uint8Array): Rotation => {
  requireSeed(seed);
  const { blocks, blockSize, padded, whole } = segment;
  const grain = whole?.sketch?.rank ?? 1;
  const known = kept.get(seed);
  if (known?.blocks === blocks && known.blockSize === blockSize && known.grain === grain)
    return known;
  const random = new DataView(expand(SHIFTS_TAG, seed, 4 * blockSize).buffer);
  const shifts = Int32Array.from(
    { length: blockSize },
    (_, g) => random.getUint32(4 * Math.floor(g / grain), true) % blocks,
  );
  const rotation = { blocks, blockSize, grain, signs: expand(SIGNS_TAG, seed, padded / 8), shifts };
  kept.add(seed, rotation, rotation.signs.length + 4 * blockSize);
  return rotation;
};

/** The coordinate at position g of a block, where units are dealt. */
const dealtAt = ({ blocks, shifts, grain }: Rotation, block: number, g: number): number => {
  const r = block - shifts[g]!;
  const unit = Math.floor(g / grain) * blocks + (r < 0 ? r + blocks : r);
  return unit * grain + (g % grain);
};

/**
 * The coordinate of the model at each position of a block; those of the padding are the model's
 * dimension or more.
 */
export const coordinatesOf = (rotation: Rotation, block: number): Int32Array => {
  const { blocks, blockSize, shifts, grain } = rotation;
  const coordinates = new Int32Array(blockSize);
  if (grain > 1) return coordinates.map((_, g) => dealtAt(rotation, block, g));
  for (let g = 0, from = 0; g < blockSize; g += 1, from += blocks) {
    const r = block - shifts[g]!;
    coordinates[g] = from + (r < 0 ? r + blocks : r);
  }
  return coordinates;
};

/**
 * What a block gets of `x`, the values of all coordinates, times `factor`; 0 in the padding.
 *
 * @param out `blockSize` values
 */
export const dealBlock = (
  rotation: Rotation,
  x: Float32Array,
  factor: number,
  block: number,
  out: Float64Array,
): void => {
  const { blocks, blockSize, shifts, grain } = rotation;
  if (grain > 1) {
    for (let g = 0; g < blockSize; g += 1) out[g] = (x[dealtAt(rotation, block, g)] ?? 0) * factor;
    return;
  }
  // Only the last group can reach beyond the end.
  const whole = Math.min(blockSize, Math.floor(x.length / blocks));
  for (let g = 0, from = 0; g < whole; g += 1, from += blocks) {
    const r = block - shifts[g]!;
    out[g] = x[from + (r < 0 ? r + blocks : r)]! * factor;
  }
  for (let g = whole; g < blockSize; g += 1) {
    const r = block - shifts[g]!;
    out[g] = (x[g * blocks + (r < 0 ? r + blocks : r)] ?? 0) * factor;
  }
};

/** The sum of squares that each block gets of `x`, the values of all coordinates. */
export const blockEnergies = (
  { blocks, blockSize, shifts, grain }: Rotation,
  x: Float32Array,
): Float64Array => {
  const energies = new Float64Array(blocks);
  if (grain > 1) {
    for (let i = 0; i < x.length; i += 1) {
      const unit = Math.floor(i / grain);
      const group = Math.floor(unit / blocks) * grain;
      const block = ((unit % blocks) + shifts[group]!) % blocks;
      energies[block] = energies[block]! + x[i]! * x[i]!;
    }
    return energies;
  }
  for (let g = 0, i = 0; g < blockSize; g += 1)
    for (let r = 0, block = shifts[g]!; r < blocks && i < x.length; r += 1, i += 1) {
      energies[block] = energies[block]! + x[i]! * x[i]!;
      block = block + 1 === blocks ? 0 : block + 1;
    }
  return energies;
};

/** The factors of a byte of signs, eight a byte, first bit first. */
const FACTORS = Float64Array.from(
  { length: 256 * 8 },
  (_, i) => 1 - 2 * (((i >> 3) >> (i & 7)) & 1),
);

const applySigns = (x: Float64Array, { signs }: Rotation, block: number): void => {
  const from = (block * x.length) >> 3;
  for (let i = 0; i < x.length; i += 8) {
    const f = signs[from + (i >> 3)]! << 3;
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

/**
 * The factor that `rotateBlock` and its inverse leave in the norm, because the caller scales
 * anyway.
 */
export const rotationGain = ({ blockSize }: Blocks): number => Math.sqrt(blockSize);

/**
 * x <- rotationGain * R x for one block, in place.
 *
 * @param x `blockSize` values @param block 0 to blocks - 1
 */
export const rotateBlock = (x: Float64Array, rotation: Rotation, block: number): void => {
  applySigns(x, rotation, block);
  walshHadamard(x, 0, x.length);
};

/** x <- rotationGain * R^-1 x for one block, in place. */
export const rotateBlockBack = (x: Float64Array, rotation: Rotation, block: number): void => {
  walshHadamard(x, 0, x.length);
  applySigns(x, rotation, block);
};
