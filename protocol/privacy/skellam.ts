/**
 * @module Skellam noise from random bytes, by a table of integer thresholds: 32 bits decide nearly
 * every draw, and 128 more are drawn where those equal a threshold's. No float is on the
 * path.
 */
import type { RandomSource } from '../ports/random.ts';
import { skellamTable, varianceUnits, type SkellamTable } from './skellam-table.ts';

/** Draws of one request for random bytes: 64 KiB, which every platform gives at once. */
const CHUNK = 16_384;

/** The upper bits that choose where the search begins. */
const GUIDE_BITS = 12;

export interface SkellamSampler {
  readonly table: SkellamTable;
  /**
   * Adds one draw, times an integer, to each lane, modulo 2^bits.
   * @param bits 1 to 32 @param factor 1 unless given; at most 2^20 in size
   */
  addTo(
    lanes: Uint16Array | Uint32Array,
    bits: number,
    random: RandomSource,
    factor?: number,
  ): void;
  /** Fills `out` with draws. */
  draw(out: Int32Array, random: RandomSource): void;
}

/** For each prefix the first value whose threshold has that prefix or a larger one. */
const guideOf = ({ upper }: SkellamTable): Uint32Array => {
  const guide = new Uint32Array(2 ** GUIDE_BITS + 1).fill(upper.length - 1);
  for (let i = upper.length - 1; i >= 0; i -= 1) guide[upper[i]! >>> (32 - GUIDE_BITS)] = i;
  for (let p = 2 ** GUIDE_BITS - 1; p >= 0; p -= 1) guide[p] = Math.min(guide[p]!, guide[p + 1]!);
  return guide;
};

/** The first index in [low, high] whose threshold has upper bits of at least `u`. */
const firstFrom = (upper: Uint32Array, u: number, low: number, high: number): number => {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (upper[middle]! < u) from = middle + 1;
    else to = middle;
  }
  return from;
};

/** Where the upper bits equal those of thresholds, the lower bits decide. */
const settle = (
  { upper, lower }: SkellamTable,
  u: number,
  first: number,
  random: RandomSource,
): number => {
  const bytes = random(16);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const [high, low] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
  let i = first;
  while (i < upper.length - 1 && upper[i] === u) {
    const [a, b] = [lower[2 * i]!, lower[2 * i + 1]!];
    if (high < a || (high === a && low < b)) break;
    i += 1;
  }
  return i;
};

const createSearch = (table: SkellamTable) => {
  const { upper, reach } = table;
  const guide = guideOf(table);
  return (u: number, random: RandomSource): number => {
    const prefix = u >>> (32 - GUIDE_BITS);
    const i = firstFrom(upper, u, guide[prefix]!, guide[prefix + 1]!);
    return (upper[i] === u ? settle(table, u, i, random) : i) - reach;
  };
};

/** Calls `take` with each of `count` draws in order. */
const drawEach = (
  search: ReturnType<typeof createSearch>,
  count: number,
  random: RandomSource,
  take: (index: number, value: number) => void,
): void => {
  for (let from = 0; from < count; from += CHUNK) {
    const size = Math.min(CHUNK, count - from);
    const bytes = random(4 * size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 4 * size);
    for (let i = 0; i < size; i += 1) take(from + i, search(view.getUint32(4 * i, true), random));
  }
};

/**
 * @param variance central variance of one draw, above 0 and at most 2^28; rounded up to a multiple
 *   of 2^-16
 * @throws FloeError `privacy_invalid`
 */
export const skellamSampler = (variance: number): SkellamSampler => {
  const table = skellamTable(varianceUnits(variance));
  const search = createSearch(table);
  return {
    table,
    addTo: (lanes, bits, random, factor = 1) => {
      const mask = bits === 32 ? 0xffff_ffff : (1 << bits) - 1;
      drawEach(search, lanes.length, random, (i, value) => {
        lanes[i] = (lanes[i]! + factor * value) & mask;
      });
    },
    draw: (out, random) =>
      drawEach(search, out.length, random, (i, value) => {
        out[i] = value;
      }),
  };
};
