/**
 * @module LZ4 blocks and frames (Y. Collet, "LZ4 Block Format", "LZ4 Frame Format"), as Parquet and
 * Arrow files use them.
 */
import { malformed } from './limits.ts';

const broken = (): Error => malformed('broken LZ4 data');

/** A byte of a length stands for 255 bytes: nothing unpacks to more times its size. */
const MOST_BY_LZ4 = 255;

/** Memory for what is unpacked. @throws FloeError `data_malformed` where no data unpacks to it */
const room = (packed: Uint8Array, size: number): Uint8Array => {
  if (size > MOST_BY_LZ4 * packed.length) throw broken();
  return new Uint8Array(size);
};

/** Unpacks one block into `into` from `at`; gives the place after it. Matches reach back to 0. */
const readBlock = (block: Uint8Array, into: Uint8Array, at: number): number => {
  let [from, to] = [0, at];
  const lengthOf = (first: number): number => {
    let length = first;
    if (first !== 15) return length;
    for (;;) {
      const byte = block[from];
      if (byte === undefined) throw broken();
      from += 1;
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (from < block.length) {
    const token = block[from] as number;
    from += 1;
    const literals = lengthOf(token >> 4);
    if (from + literals > block.length || to + literals > into.length) throw broken();
    into.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === block.length) return to;
    if (from + 2 > block.length) throw broken();
    const offset = (block[from] as number) | ((block[from + 1] as number) << 8);
    from += 2;
    const match = lengthOf(token & 15) + 4;
    if (offset === 0 || offset > to || to + match > into.length) throw broken();
    // Byte by byte: a match may overlap what it writes.
    for (let i = 0; i < match; i += 1, to += 1) into[to] = into[to - offset] as number;
  }
  return to;
};

/** @param size bytes that must come out */
export const lz4Block = (block: Uint8Array, size: number): Uint8Array => {
  const out = room(block, size);
  if (readBlock(block, out, 0) !== size) throw broken();
  return out;
};

/** @param size bytes that must come out */
export const lz4Frame = (frame: Uint8Array, size: number): Uint8Array => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 11 || view.getUint32(0, true) !== 0x184d2204) throw broken();
  const flags = view.getUint8(4);
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  const checksum = flags & 0x10 ? 4 : 0;
  const out = room(frame, size);
  let to = 0;
  for (;;) {
    if (at + 4 > frame.length) throw broken();
    const head = view.getUint32(at, true);
    at += 4;
    if (head === 0) break;
    const length = head & 0x7fffffff;
    const block = frame.subarray(at, at + length);
    if (block.length !== length) throw broken();
    if (head >= 0x80000000) {
      if (to + length > size) throw broken();
      out.set(block, to);
      to += length;
    } else to = readBlock(block, out, to);
    at += length + checksum;
  }
  if (to !== size) throw broken();
  return out;
};
