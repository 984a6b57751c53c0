/**
 * @module Masks: the keystream of a seed, read as little-endian lanes and added to or taken from a
 * vector over Z_{2^b} (Bonawitz et al. 2017). Each part of each mask can be computed alone: by a
 * worker, or by an auditor who samples 1 MiB of the sum.
 */
import { FloeError } from '../errors.ts';
import { platformKeystream } from './keystream.ts';
import type { KeystreamPlatform } from './keystream.ts';
import { eventLoopTurn } from './event-loop-turn.ts';

/**
 * A vector over Z_{2^b}, one element a lane: 16-bit lanes for b <= 16, 32-bit lanes for b <= 32.
 */
export type Lanes = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** One mask to add (+1) or to take away (-1). A secret. */
export interface MaskJob {
  /** 32 bytes, the AES-256 key. */
  readonly seed: Uint8Array;
  readonly sign: 1 | -1;
}

export interface MaskOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Position of `lanes[0]` in the whole vector, in lanes: a chunk of a vector is masked alone.
   * Default 0.
   */
  readonly laneOffset?: number;
  /** Default: the platform's fastest. */
  readonly keystream?: KeystreamPlatform;
  /** Told in each turn of the event loop: lanes that all masks were applied to so far. */
  readonly onTurn?: ((lanes: number) => void) | undefined;
}

/** After this much keystream the event loop gets a turn: 5 to 20 ms of work. */
const YIELD_BYTES = 8 << 20;

/**
 * Largest modulus that `lanes` can hold; throws `encoding_overflow` unless 1 <= bits <= it. Returns
 * 2^bits - 1 as int32.
 */
const laneMask = (lanes: Lanes, modulusBits: number): number => {
  const width = 8 * lanes.BYTES_PER_ELEMENT;
  if (!Number.isInteger(modulusBits) || modulusBits < 1 || modulusBits > width)
    throw new FloeError(
      'encoding_overflow',
      `expected a modulus of 1 to ${width} bits, got ${modulusBits}`,
    );
  return modulusBits === 32 ? -1 : 2 ** modulusBits - 1;
};

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The keystream as lanes of the width of `lanes`. */
const asLanes = (bytes: Uint8Array<ArrayBuffer>, width: number): Lanes => {
  if (!LITTLE_ENDIAN)
    throw new FloeError('backend_unavailable', 'masks need a little-endian processor');
  const { buffer, byteOffset, length } =
    bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return width === 2
    ? new Uint16Array(buffer, byteOffset, length / 2)
    : new Uint32Array(buffer, byteOffset, length / 4);
};

// One loop for each element type, because V8 keeps a typed-array loop fast only while it sees one
// type; four lanes a turn, to spread the loop's own checks. `flip` is 0 to add and -1 to subtract:
// (m ^ -1) - -1 = -m.
const combine16 = (lanes: Uint16Array, mask: Uint16Array, flip: 0 | -1, ring: number): void => {
  const { length } = lanes;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    lanes[i] = (lanes[i]! + (mask[i]! ^ flip) - flip) & ring;
    lanes[i + 1] = (lanes[i + 1]! + (mask[i + 1]! ^ flip) - flip) & ring;
    lanes[i + 2] = (lanes[i + 2]! + (mask[i + 2]! ^ flip) - flip) & ring;
    lanes[i + 3] = (lanes[i + 3]! + (mask[i + 3]! ^ flip) - flip) & ring;
  }
  for (let i = whole; i < length; i++) lanes[i] = (lanes[i]! + (mask[i]! ^ flip) - flip) & ring;
};
const combine32 = (lanes: Uint32Array, mask: Uint32Array, flip: 0 | -1, ring: number): void => {
  const { length } = lanes;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    lanes[i] = (lanes[i]! + (mask[i]! ^ flip) - flip) & ring;
    lanes[i + 1] = (lanes[i + 1]! + (mask[i + 1]! ^ flip) - flip) & ring;
    lanes[i + 2] = (lanes[i + 2]! + (mask[i + 2]! ^ flip) - flip) & ring;
    lanes[i + 3] = (lanes[i + 3]! + (mask[i + 3]! ^ flip) - flip) & ring;
  }
  for (let i = whole; i < length; i++) lanes[i] = (lanes[i]! + (mask[i]! ^ flip) - flip) & ring;
};

/**
 * Two lanes of at most 15 bits as one word, where both vectors allow it: no carry leaves a lane.
 */
const asPairs = (lanes: Uint16Array): Int32Array | undefined =>
  lanes.byteOffset % 4 === 0 && lanes.length % 2 === 0
    ? new Int32Array(lanes.buffer, lanes.byteOffset, lanes.length / 2)
    : undefined;

const combinePairs = (lanes: Int32Array, mask: Int32Array, sign: 1 | -1, ring: number): void => {
  const rings = ring | (ring << 16);
  // 2^b in both lanes: what the negative of a lane is taken from.
  const whole = rings + 0x1_0001;
  const { length } = lanes;
  if (sign === 1)
    for (let i = 0; i < length; i += 1) lanes[i] = (lanes[i]! + (mask[i]! & rings)) & rings;
  else
    for (let i = 0; i < length; i += 1)
      lanes[i] = (lanes[i]! + (whole - (mask[i]! & rings))) & rings;
};

const combine = (lanes: Lanes, mask: Lanes, sign: 1 | -1, ring: number): void => {
  const flip = sign === 1 ? 0 : -1;
  if (lanes instanceof Uint16Array) {
    const pairs = ring < 0x8000 ? asPairs(lanes) : undefined;
    const others = pairs && asPairs(mask as Uint16Array);
    if (pairs && others) combinePairs(pairs, others, sign, ring);
    else combine16(lanes, mask as Uint16Array, flip, ring);
  } else combine32(lanes, mask as Uint32Array, flip, ring);
};

/**
 * Adds every mask of `jobs` to `lanes` in place, mod 2^modulusBits. All masks of one chunk are
 * applied before the next chunk, so the lanes stay in the processor's cache. Gives the event loop a
 * turn every 8 MiB of keystream.
 *
 * @param lanes the vector, or a part of it that begins at `options.laneOffset`. After an error or
 *   an abort it holds a partly masked vector: discard it.
 * @param modulusBits b: 1 to 16 for Uint16Array, 1 to 32 for Uint32Array.
 * @throws FloeError `encoding_overflow` (modulus), `key_invalid` (seed length), `aborted` (signal).
 */
export const applyMasks = async (
  lanes: Lanes,
  jobs: readonly MaskJob[],
  modulusBits: number,
  { signal, laneOffset = 0, keystream = platformKeystream, onTurn }: MaskOptions = {},
): Promise<void> => {
  const ring = laneMask(lanes, modulusBits);
  const width = lanes.BYTES_PER_ELEMENT;
  const step = keystream.chunkBytes / width;
  const streams = await Promise.all(
    jobs.map(async ({ seed, sign }) => ({
      next: await keystream.open(seed, laneOffset * width),
      sign,
    })),
  );
  let sinceTurn = 0;
  for (let at = 0; at < lanes.length; at += step) {
    const part = lanes.subarray(at, at + step);
    for (const { next, sign } of streams) {
      if (signal?.aborted)
        throw new FloeError('aborted', 'Masking was cancelled.', {}, { cause: signal.reason });
      combine(part, asLanes(await next(part.byteLength), width), sign, ring);
      sinceTurn += part.byteLength;
      if (sinceTurn >= YIELD_BYTES) {
        sinceTurn = 0;
        onTurn?.(at);
        await eventLoopTurn();
      }
    }
  }
};

/** One mask: see {@link applyMasks}. */
export const applyMask = async (
  lanes: Lanes,
  seed: Uint8Array,
  sign: 1 | -1,
  modulusBits: number,
  options: MaskOptions = {},
): Promise<void> => applyMasks(lanes, [{ seed, sign }], modulusBits, options);

export interface MaskUpdateInit extends MaskOptions {
  /** The encoded update, lanes below 2^modulusBits; masked in place. */
  readonly lanes: Lanes;
  readonly modulusBits: number;
  /** From `selfMaskSeed`. */
  readonly selfSeed: Uint8Array;
  /** One job for each other member whose Share arrived (`pairMasks`). */
  readonly pairs: readonly MaskJob[];
}

/**
 * y = x + PRG(self) + sum of sign * PRG(pair) mod 2^b (Bonawitz et al. 2017, round 2), in place. If
 * anything fails, the lanes are zeroed before the error is thrown: a partly masked update never
 * leaves this function.
 * @throws FloeError as {@link applyMasks}; `cohort_too_small` with fewer than two pairs.
 */
export const maskUpdate = async ({
  lanes,
  modulusBits,
  selfSeed,
  pairs,
  ...options
}: MaskUpdateInit): Promise<void> => {
  try {
    if (pairs.length < 2)
      throw new FloeError('cohort_too_small', `expected at least 2 pairs, got ${pairs.length}`);
    await applyMasks(lanes, [{ seed: selfSeed, sign: 1 }, ...pairs], modulusBits, options);
  } catch (error) {
    lanes.fill(0);
    throw error;
  }
};

/**
 * Takes the masks out of a sum of masked vectors, in place: the jobs are those that `recover`
 * returns.
 * @throws FloeError as {@link applyMasks}.
 */
export const unmask = applyMasks;
