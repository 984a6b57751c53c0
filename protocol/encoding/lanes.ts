/**
 * @module Lanes: vectors over Z_{2^b}, as `Uint16Array` for b <= 16 and `Uint32Array` above.
 * Addition commutes, so the order of arrival never matters.
 */
import { FloeError } from '../errors.ts';
import { segmentAt, type RingLayout } from './layout.ts';

export type Lanes = Uint16Array | Uint32Array;

/** The lanes of one block, 0 to `layout.blocks` - 1: a view. */
export const blockOf = (lanes: Lanes, layout: RingLayout, block: number): Lanes => {
  const { firstBlock, firstLane, blockSize } = segmentAt(layout, block);
  const from = firstLane + (block - firstBlock) * blockSize;
  return lanes.subarray(from, from + blockSize);
};

/** The low b bits, as an operand of `&`. */
export const laneMask = (modulusBits: number): number =>
  modulusBits === 32 ? -1 : (1 << modulusBits) - 1;

/** `count` zero lanes of the type that b bits need. */
export const createLanes = (count: number, modulusBits: number): Lanes =>
  modulusBits <= 16 ? new Uint16Array(count) : new Uint32Array(count);

/** Sum of the squares of lanes as integers, in order, so that everybody gets the same bits. */
export const centredEnergy = (lanes: Lanes, modulusBits: number): number => {
  const shift = 32 - modulusBits;
  let sum = 0;
  if (lanes instanceof Uint16Array)
    for (let i = 0; i < lanes.length; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  else for (let i = 0; i < lanes.length; i += 1) sum += ((lanes[i]! << shift) >> shift) ** 2;
  return sum;
};

const checkPair = (acc: Lanes, lanes: Lanes, modulusBits: number): void => {
  const bytes = modulusBits <= 16 ? 2 : 4;
  if (acc.BYTES_PER_ELEMENT !== bytes || lanes.BYTES_PER_ELEMENT !== bytes)
    throw new FloeError(
      'upload_mismatch',
      `${modulusBits} bits: expected lanes of ${bytes} bytes, got ${lanes.BYTES_PER_ELEMENT}`,
    );
  if (acc.length !== lanes.length)
    throw new FloeError('upload_mismatch', `expected ${acc.length} lanes, got ${lanes.length}`);
};

// One loop for each element type: a loop that sees both runs several times slower.
const add16 = (acc: Uint16Array, lanes: Uint16Array, mask: number): void => {
  for (let i = 0; i < acc.length; i += 1) acc[i] = (acc[i]! + lanes[i]!) & mask;
};
const add32 = (acc: Uint32Array, lanes: Uint32Array, mask: number): void => {
  for (let i = 0; i < acc.length; i += 1) acc[i] = (acc[i]! + lanes[i]!) & mask;
};
const subtract16 = (acc: Uint16Array, lanes: Uint16Array, mask: number): void => {
  for (let i = 0; i < acc.length; i += 1) acc[i] = (acc[i]! - lanes[i]!) & mask;
};
const subtract32 = (acc: Uint32Array, lanes: Uint32Array, mask: number): void => {
  for (let i = 0; i < acc.length; i += 1) acc[i] = (acc[i]! - lanes[i]!) & mask;
};

/**
 * acc += lanes mod 2^b, in place.
 *
 * @throws FloeError `upload_mismatch` when length or type differ
 */
export const addInto = (acc: Lanes, lanes: Lanes, modulusBits: number): void => {
  checkPair(acc, lanes, modulusBits);
  const mask = laneMask(modulusBits);
  if (acc instanceof Uint16Array && lanes instanceof Uint16Array) add16(acc, lanes, mask);
  else if (acc instanceof Uint32Array && lanes instanceof Uint32Array) add32(acc, lanes, mask);
};

/**
 * acc -= lanes mod 2^b, in place.
 *
 * @throws FloeError `upload_mismatch` when length or type differ
 */
export const subtractInto = (acc: Lanes, lanes: Lanes, modulusBits: number): void => {
  checkPair(acc, lanes, modulusBits);
  const mask = laneMask(modulusBits);
  if (acc instanceof Uint16Array && lanes instanceof Uint16Array) subtract16(acc, lanes, mask);
  else if (acc instanceof Uint32Array && lanes instanceof Uint32Array) subtract32(acc, lanes, mask);
};
