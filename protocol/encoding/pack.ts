/**
 * @module Lanes <-> bytes: only the low b bits of each lane travel, least significant bit first,
 * without gaps. The last byte is filled with zero bits, and must be: one vector has one packed
 * form.
 */
import { FloeError } from '../errors.ts';
import type { Steps } from '../steps.ts';
import { createLanes, laneMask, type Lanes } from './lanes.ts';

/** Bytes that `count` lanes of b bits take. */
export const packedLength = (count: number, modulusBits: number): number =>
  Math.ceil((count * modulusBits) / 8);

// The loops for whole bytes and for 12 bits (pairs of lanes in three bytes) are the usual sizes;
// the rest goes bit by bit through a window of at most 31 bits, in halves of at most 16. It is
// never negative, so the signed shift, which keeps it an int32 for the compiler, is the right one.

const packBytes = (lanes: Lanes, width: number, out: Uint8Array): void => {
  for (let i = 0, o = 0; i < lanes.length; i += 1) {
    const lane = lanes[i]!;
    out[o++] = lane;
    if (width > 1) out[o++] = lane >>> 8;
    if (width > 2) out[o++] = lane >>> 16;
    if (width > 3) out[o++] = lane >>> 24;
  }
};

const unpackBytes = (bytes: Uint8Array, width: number, out: Lanes): void => {
  for (let i = 0, o = 0; i < out.length; i += 1) {
    let lane = bytes[o++]!;
    if (width > 1) lane |= bytes[o++]! << 8;
    if (width > 2) lane |= bytes[o++]! << 16;
    if (width > 3) lane |= bytes[o++]! << 24;
    out[i] = lane;
  }
};

const packTwelve = (lanes: Lanes, out: Uint8Array): void => {
  const even = lanes.length & ~1;
  let o = 0;
  for (let i = 0; i < even; i += 2) {
    const pair = (lanes[i]! & 0xfff) | ((lanes[i + 1]! & 0xfff) << 12);
    out[o++] = pair;
    out[o++] = pair >>> 8;
    out[o++] = pair >>> 16;
  }
  if (even < lanes.length) {
    out[o++] = lanes[even]!;
    out[o] = (lanes[even]! >>> 8) & 0xf;
  }
};

const unpackTwelve = (bytes: Uint8Array, out: Lanes): void => {
  const even = out.length & ~1;
  let o = 0;
  for (let i = 0; i < even; i += 2) {
    const pair = bytes[o]! | (bytes[o + 1]! << 8) | (bytes[o + 2]! << 16);
    out[i] = pair & 0xfff;
    out[i + 1] = pair >>> 12;
    o += 3;
  }
  if (even < out.length) out[even] = bytes[o]! | (bytes[o + 1]! << 8);
};

const packBits = (lanes: Lanes, modulusBits: number, out: Uint8Array): void => {
  const low = Math.min(modulusBits, 16);
  const high = modulusBits - low;
  const lowMask = laneMask(low);
  const highMask = laneMask(high);
  let window = 0;
  let filled = 0;
  let o = 0;
  for (let i = 0; i < lanes.length; i += 1) {
    const lane = lanes[i]!;
    window |= (lane & lowMask) << filled;
    filled += low;
    if (filled >= 16) {
      out[o++] = window;
      out[o++] = window >> 8;
      window >>= 16;
      filled -= 16;
    }
    if (high > 0) {
      window |= ((lane >>> 16) & highMask) << filled;
      filled += high;
      if (filled >= 16) {
        out[o++] = window;
        out[o++] = window >> 8;
        window >>= 16;
        filled -= 16;
      }
    }
  }
  for (; filled > 0; filled -= 8) {
    out[o++] = window;
    window >>= 8;
  }
};

const unpackBits = (bytes: Uint8Array, modulusBits: number, out: Lanes): void => {
  const low = Math.min(modulusBits, 16);
  const high = modulusBits - low;
  const lowMask = laneMask(low);
  const highMask = laneMask(high);
  let window = 0;
  let filled = 0;
  let o = 0;
  // Reading behind the end gives undefined, which `|` takes as 0.
  for (let i = 0; i < out.length; i += 1) {
    if (filled < low) {
      window |= (bytes[o]! | (bytes[o + 1]! << 8)) << filled;
      o += 2;
      filled += 16;
    }
    let lane = window & lowMask;
    window >>= low;
    filled -= low;
    if (high > 0) {
      if (filled < high) {
        window |= (bytes[o]! | (bytes[o + 1]! << 8)) << filled;
        o += 2;
        filled += 16;
      }
      lane |= (window & highMask) << 16;
      window >>= high;
      filled -= high;
    }
    out[i] = lane;
  }
};

const checkBits = (modulusBits: number): void => {
  if (!Number.isInteger(modulusBits) || modulusBits < 1 || modulusBits > 32)
    throw new FloeError('encoding_overflow', `expected 1 to 32 bits a lane, got ${modulusBits}`);
};

/**
 * @param modulusBits b, 1 to 32; bits above b are dropped
 * @returns ceil(lanes.length * b / 8) bytes
 */
export const pack = (lanes: Lanes, modulusBits: number): Uint8Array<ArrayBuffer> => {
  checkBits(modulusBits);
  const out = new Uint8Array(packedLength(lanes.length, modulusBits));
  if (modulusBits % 8 === 0) packBytes(lanes, modulusBits / 8, out);
  else if (modulusBits === 12) packTwelve(lanes, out);
  else packBits(lanes, modulusBits, out);
  return out;
};

/** Lanes packed in one step: a multiple of 8, so that each part is whole bytes. */
const LANES_PER_PART = 2 ** 19;

/** As {@link pack}, in steps: yields lanes done. */
export const packSteps = function* (
  lanes: Lanes,
  modulusBits: number,
): Steps<Uint8Array<ArrayBuffer>> {
  checkBits(modulusBits);
  const out = new Uint8Array(packedLength(lanes.length, modulusBits));
  for (let at = 0; at < lanes.length; at += LANES_PER_PART) {
    const part = lanes.subarray(at, at + LANES_PER_PART);
    out.set(pack(part, modulusBits), (at / 8) * modulusBits);
    yield part.length;
  }
  return out;
};

/**
 * The inverse of `pack`.
 *
 * @param count number of lanes expected
 * @returns `Uint16Array` for b <= 16, else `Uint32Array`
 * @throws FloeError `upload_mismatch` when the length is not exactly that of `count` lanes, or a
 * padding bit is set
 */
export const unpack = (bytes: Uint8Array, modulusBits: number, count: number): Lanes => {
  checkBits(modulusBits);
  const want = packedLength(count, modulusBits);
  if (bytes.length !== want)
    throw new FloeError('upload_mismatch', `expected ${want} packed bytes, got ${bytes.length}`);
  const spare = want * 8 - count * modulusBits;
  if (spare > 0 && bytes[want - 1]! >>> (8 - spare) !== 0)
    throw new FloeError('upload_mismatch', `expected ${spare} padding bits of zero`);
  const out = createLanes(count, modulusBits);
  if (modulusBits % 8 === 0) unpackBytes(bytes, modulusBits / 8, out);
  else if (modulusBits === 12) unpackTwelve(bytes, out);
  else unpackBits(bytes, modulusBits, out);
  return out;
};
