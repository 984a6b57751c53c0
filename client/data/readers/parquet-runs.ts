/**
 * @module Runs and differences of integers in a Parquet page, walked within its bytes
 * (parquet-format, Encodings.md: RLE / bit-packing hybrid, DELTA_BINARY_PACKED).
 */
import { malformed } from './limits.ts';
import { readVarInt, unzigzag } from './thrift.ts';

const broken = (what: string) => malformed(`damaged page: ${what}`);

/** Groups of eight that a writer may leave after the last value. */
const SPARE_GROUPS = 64;

export interface Hybrid {
  readonly largest: number;
  readonly sum: number;
}

/**
 * Integers of `width` bits in runs of equal ones and in groups of eight.
 * @throws FloeError `data_malformed` where they are fewer than `count`, or a run is longer
 */
export const readHybrid = (
  bytes: Uint8Array,
  from: number,
  to: number,
  width: number,
  count: number,
): Hybrid => {
  const part = bytes.subarray(0, to);
  let [at, seen, largest, sum] = [from, 0, 0, 0];
  /** One value after the other, from its lowest bit. */
  const packed = (values: number): void => {
    const mask = 2 ** width;
    let [held, bits] = [0, 0];
    for (let i = 0; i < values; i += 1) {
      // Up to 32 bits and the rest of a byte fit into a double exactly.
      while (bits < width) {
        const byte = part[at];
        if (byte === undefined) throw broken('its values are cut off');
        at += 1;
        held += byte * 2 ** bits;
        bits += 8;
      }
      const value = held % mask;
      held = Math.floor(held / mask);
      bits -= width;
      largest = Math.max(largest, value);
      sum += value;
    }
  };
  while (seen < count) {
    const { value, end } = readVarInt(part, at);
    const head = Number(value);
    at = end;
    const left = count - seen;
    const length = Math.floor(head / 2);
    if (head % 2 === 1) {
      if (length === 0 || length > Math.ceil(left / 8) + SPARE_GROUPS)
        throw broken(`a run of ${8 * length} values, ${left} are left`);
      const [start, values] = [at, Math.min(8 * length, left)];
      packed(values);
      at = Math.min(start + length * width, to);
      seen += values;
      continue;
    }
    const size = Math.ceil(width / 8);
    if (length === 0 || length > left) throw broken(`a run of ${length} values, ${left} are left`);
    if (at + size > to) throw broken('its values are cut off');
    let repeated = 0;
    for (let i = 0; i < size; i += 1) repeated += (part[at + i] as number) * 2 ** (8 * i);
    at += size;
    largest = Math.max(largest, repeated);
    sum += repeated * length;
    seen += length;
  }
  return { largest, sum };
};

export interface Delta {
  /** Of 32 bits; empty unless asked for. */
  readonly values: Int32Array;
  readonly end: number;
}

const MAX_BLOCK = 2 ** 20;

/** Integers of 32 bits from a place on, `width` bits each. */
const unpackInto = (
  bytes: Uint8Array,
  start: number,
  width: number,
  count: number,
  take: (value: number) => void,
): void => {
  let [at, held, bits] = [start, 0n, 0];
  const mask = (1n << BigInt(width)) - 1n;
  for (let i = 0; i < count; i += 1) {
    while (bits < width) {
      held |= BigInt(bytes[at] ?? 0) << BigInt(bits);
      at += 1;
      bits += 8;
    }
    take(Number(BigInt.asIntN(32, held & mask)));
    held >>= BigInt(width);
    bits -= width;
  }
};

/**
 * Integers as differences in blocks of miniblocks.
 * @param decode whether the values are wanted, modulo 2^32
 * @throws FloeError `data_malformed` where the blocks end before `count` values
 */
export const checkDelta = (
  bytes: Uint8Array,
  start: number,
  count: number,
  decode = false,
): Delta => {
  let at = start;
  const next = (): bigint => {
    const { value, end } = readVarInt(bytes, at);
    at = end;
    return value;
  };
  const [block, minis, total] = [Number(next()), Number(next()), Number(next())];
  const size = block / minis;
  if (!(minis >= 1 && block <= MAX_BLOCK && size >= 8 && size % 8 === 0))
    throw broken(`a block of ${block} values in ${minis} parts`);
  if (total !== count) throw broken(`${total} differences, expected ${count}`);
  const values = new Int32Array(decode ? count : 0);
  let value = Number(BigInt.asIntN(32, unzigzag(next())));
  if (decode && count > 0) values[0] = value;
  let seen = 1;
  while (seen < count) {
    const least = Number(BigInt.asIntN(32, unzigzag(next())));
    const widths = bytes.subarray(at, at + minis);
    at += minis;
    for (let mini = 0; mini < minis && seen < count; mini += 1) {
      const width = widths[mini];
      if (width === undefined || width > 64) throw broken('differences of no possible size');
      const own = Math.min(size, count - seen);
      if (at + Math.ceil((own * width) / 8) > bytes.length)
        throw broken('its differences are cut off');
      if (decode) {
        const first = seen;
        let i = 0;
        unpackInto(bytes, at, width, own, (difference) => {
          value = (value + least + difference) | 0;
          values[first + i] = value;
          i += 1;
        });
      }
      seen += own;
      at += (size * width) / 8;
    }
  }
  return { values, end: Math.min(at, bytes.length) };
};
