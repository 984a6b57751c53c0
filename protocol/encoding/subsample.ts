/**
 * @module Which k of d coordinates travel: a uniform choice among all subsets of k, from public
 * randomness (Floyd's algorithm; Bentley and Floyd 1987, "A Sample of Brilliance"). Everybody draws
 * the same ones from one seed, in integers and exactly rounded float operations.
 */
import { sha256, utf8 } from '../bytes.ts';
import { createMemo } from '../memo.ts';
import { expand, requireSeed } from './expand.ts';

const COORDINATES_TAG = utf8('floe/coordinates/v1\0');
const DRAW_BYTES = 8;
/** Draws whose bytes are in memory at once. */
const DRAWS_AT_ONCE = 2 ** 16;

const KEPT_BYTES = 4 << 20;
const KEPT_SEEDS = 16;
const kept = createMemo<Int32Array>(KEPT_BYTES, KEPT_SEEDS);

/** u in [0, 1), 53 bits of 8 bytes. */
const fraction = (view: DataView, at: number): number =>
  (view.getUint32(at, true) * 2 ** 21 + (view.getUint32(at + 4, true) >>> 11)) / 2 ** 53;

/** A set of integers below a bound, one bit each. */
const bitSet = (size: number) => {
  const bits = new Uint8Array(Math.ceil(size / 8));
  return {
    has: (i: number): boolean => ((bits[i >> 3]! >> (i & 7)) & 1) === 1,
    add: (i: number): void => {
      bits[i >> 3] = bits[i >> 3]! | (1 << (i & 7));
    },
    bits,
  };
};

const draw = (dimension: number, count: number, seed: Uint8Array): Int32Array => {
  const chosen = bitSet(dimension);
  for (let from = 0; from < count; from += DRAWS_AT_ONCE) {
    const draws = Math.min(DRAWS_AT_ONCE, count - from);
    const part = sha256(seed, utf8(`${from}`));
    const view = new DataView(expand(COORDINATES_TAG, part, draws * DRAW_BYTES).buffer);
    for (let i = 0; i < draws; i += 1) {
      const last = dimension - count + from + i;
      const at = Math.floor(fraction(view, i * DRAW_BYTES) * (last + 1));
      chosen.add(chosen.has(at) ? last : at);
    }
  }
  const coordinates = new Int32Array(count);
  for (let i = 0, at = 0; i < dimension; i += 1) if (chosen.has(i)) coordinates[at++] = i;
  return coordinates;
};

/**
 * The coordinates that travel, ascending; not to be changed.
 *
 * @param dimension d, 1 to 2^31 @param count k, 1 to d @param seed 32 bytes of public randomness
 * @throws FloeError `spec_invalid` when the seed has another length
 */
export const chooseCoordinates = (
  dimension: number,
  count: number,
  seed: Uint8Array,
): Int32Array => {
  requireSeed(seed);
  const name = sha256(seed, utf8(`${count} of ${dimension}`));
  const known = kept.get(name);
  if (known !== undefined) return known;
  const coordinates = draw(dimension, count, seed);
  kept.add(name, coordinates, coordinates.byteLength);
  return coordinates;
};

/** The coordinates below `dimension` that are not among the chosen ones, ascending. */
export const othersThan = (chosen: Int32Array, dimension: number): Int32Array => {
  const others = new Int32Array(dimension - chosen.length);
  for (let i = 0, at = 0, next = 0; i < dimension; i += 1)
    if (chosen[next] === i) next += 1;
    else others[at++] = i;
  return others;
};
