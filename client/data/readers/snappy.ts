/** @module Snappy blocks ("Snappy compressed format description", 2011), as Parquet uses them. */
import { malformed } from './limits.ts';

const broken = (): Error => malformed('broken Snappy data');

/** A copy of 64 bytes takes three: nothing unpacks to more than this many times its size. */
const MOST_BY_SNAPPY = 22;

/**
 * @param size bytes that must come out
 * @throws FloeError `data_malformed`
 */
export const snappyBlock = (block: Uint8Array, size: number): Uint8Array => {
  if (size > MOST_BY_SNAPPY * block.length) throw broken();
  const out = new Uint8Array(size);
  let [from, to] = [0, 0];
  const byteOf = (): number => {
    const byte = block[from];
    if (byte === undefined) throw broken();
    from += 1;
    return byte;
  };
  /** A little-endian number. */
  const numberOf = (bytes: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i += 1) value += byteOf() * 2 ** (8 * i);
    return value;
  };
  // The size, in groups of seven bits.
  let declared = 0;
  for (let i = 0; ; i += 1) {
    const byte = byteOf();
    declared += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
    if (i === 4) throw broken();
  }
  if (declared !== size) throw broken();
  while (from < block.length) {
    const tag = byteOf();
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const length = (short < 60 ? short : numberOf(short - 59)) + 1;
      if (from + length > block.length || to + length > size) throw broken();
      out.set(block.subarray(from, from + length), to);
      from += length;
      to += length;
      continue;
    }
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset =
      kind === 1 ? (tag >> 5) * 256 + byteOf() : kind === 2 ? numberOf(2) : numberOf(4);
    if (offset === 0 || offset > to || to + length > size) throw broken();
    // Byte by byte: a copy may overlap what it writes.
    for (let i = 0; i < length; i += 1, to += 1) out[to] = out[to - offset] as number;
  }
  if (to !== size) throw broken();
  return out;
};
