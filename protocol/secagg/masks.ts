/**
 * @module Masks: AES-256 in counter mode (NIST SP 800-38A) with a zero initial counter, read as little-endian lanes and
 * added to or taken from a vector over Z_{2^b}. The stream is seekable, so each chunk of each mask can be computed alone:
 * by a worker, or by an auditor who samples 1 MiB of the sum. A zero counter is sound because a seed is the key of one
 * mask only: it is bound to one pair (or one participant), one round and one context.
 */
import { nodeCrypto } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { HASH_BYTES, requireBytes } from './cohort.ts';
import { eventLoopTurn } from './turn.ts';

/** A vector over Z_{2^b}, one element a lane: 16-bit lanes for b <= 16, 32-bit lanes for b <= 32. */
export type Lanes = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** One mask to add (+1) or to take away (-1). A secret. */
export interface MaskJob {
  /** 32 bytes, the AES-256 key. */
  readonly seed: Uint8Array;
  readonly sign: 1 | -1;
}

/** Bytes `byteOffset` to `byteOffset + length` of the mask of `seed`. Throws `key_invalid` unless the seed has 32 bytes. */
export type MaskExpander = (
  seed: Uint8Array,
  byteOffset: number,
  length: number,
) => Promise<Uint8Array<ArrayBuffer>>;

export interface MaskOptions {
  readonly signal?: AbortSignal | undefined;
  /** Position of `lanes[0]` in the whole vector, in lanes: a chunk of a vector is masked alone. Default 0. */
  readonly laneOffset?: number;
  /** Default: {@link expandMask}, the platform's fastest. */
  readonly expand?: MaskExpander;
}

/** Keystream per expansion: large enough to hide the set-up of a cipher, small enough that the lanes stay in the cache. */
export const MASK_CHUNK_BYTES = 256 * 1024;
/** After this much keystream the event loop gets a turn: 5 to 20 ms of work. */
const YIELD_BYTES = 8 << 20;
const BLOCK_BYTES = 16;

// The only plaintext ever encrypted here; shared by all expansions, never written to.
const zeros = new Uint8Array(MASK_CHUNK_BYTES + BLOCK_BYTES);

/** Where a byte range lies in the stream: the counter block it begins in (big-endian, 128 bits) and the bytes to skip. */
const seek = (
  byteOffset: number,
  length: number,
): { counter: Uint8Array<ArrayBuffer>; skip: number; plain: Uint8Array<ArrayBuffer> } => {
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || !Number.isSafeInteger(length))
    throw new FloeError('internal', `no mask at offset ${byteOffset}, length ${length}`);
  const skip = byteOffset % BLOCK_BYTES;
  const counter = new Uint8Array(BLOCK_BYTES);
  new DataView(counter.buffer).setBigUint64(8, BigInt((byteOffset - skip) / BLOCK_BYTES));
  const size = skip + length;
  return {
    counter,
    skip,
    plain: size <= zeros.length ? zeros.subarray(0, size) : new Uint8Array(size),
  };
};

/** The mask by `node:crypto` (OpenSSL, AES instructions); undefined in browsers. */
export const expandMaskNode: MaskExpander | undefined =
  nodeCrypto &&
  (async (seed, byteOffset, length) => {
    requireBytes(seed, HASH_BYTES, 'key_invalid', 'mask seed');
    const { counter, skip, plain } = seek(byteOffset, length);
    const stream = nodeCrypto.createCipheriv('aes-256-ctr', seed, counter).update(plain);
    // A pooled Buffer need not begin at a multiple of the lane width; large ones own their memory.
    return new Uint8Array(stream.buffer, stream.byteOffset + skip, length);
  });

/** The mask by WebCrypto; in browsers and in Node. */
export const expandMaskWeb: MaskExpander = async (seed, byteOffset, length) => {
  requireBytes(seed, HASH_BYTES, 'key_invalid', 'mask seed');
  const { counter, skip, plain } = seek(byteOffset, length);
  const { subtle } = globalThis.crypto;
  const key = await subtle.importKey('raw', new Uint8Array(seed), 'AES-CTR', false, ['encrypt']);
  const stream = await subtle.encrypt({ name: 'AES-CTR', counter, length: 128 }, key, plain);
  return new Uint8Array(stream, skip, length);
};

/** The fastest expander of this platform. */
export const expandMask: MaskExpander = expandMaskNode ?? expandMaskWeb;

/** Largest modulus that `lanes` can hold; throws `encoding_overflow` unless 1 <= bits <= it. Returns 2^bits - 1 as int32. */
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

// One loop for each element type: V8 keeps typed-array loops fast only while they see one type.
const add16 = (lanes: Uint16Array, mask: Uint16Array, ring: number): void => {
  for (let i = 0; i < lanes.length; i++) lanes[i] = (lanes[i]! + mask[i]!) & ring;
};
const subtract16 = (lanes: Uint16Array, mask: Uint16Array, ring: number): void => {
  for (let i = 0; i < lanes.length; i++) lanes[i] = (lanes[i]! - mask[i]!) & ring;
};
const add32 = (lanes: Uint32Array, mask: Uint32Array, ring: number): void => {
  for (let i = 0; i < lanes.length; i++) lanes[i] = (lanes[i]! + mask[i]!) & ring;
};
const subtract32 = (lanes: Uint32Array, mask: Uint32Array, ring: number): void => {
  for (let i = 0; i < lanes.length; i++) lanes[i] = (lanes[i]! - mask[i]!) & ring;
};

const combine = (lanes: Lanes, mask: Lanes, sign: 1 | -1, ring: number): void => {
  if (lanes instanceof Uint16Array)
    (sign === 1 ? add16 : subtract16)(lanes, mask as Uint16Array, ring);
  else (sign === 1 ? add32 : subtract32)(lanes, mask as Uint32Array, ring);
};

/**
 * Adds every mask of `jobs` to `lanes` in place, mod 2^modulusBits. All masks of one chunk are applied before the next
 * chunk, so the lanes stay in the processor's cache. Gives the event loop a turn every 8 MiB of keystream.
 *
 * @param lanes the vector, or a part of it that begins at `options.laneOffset`. After an error or an abort it holds a
 *   partly masked vector: discard it.
 * @param modulusBits b: 1 to 16 for Uint16Array, 1 to 32 for Uint32Array.
 * @throws FloeError `encoding_overflow` (modulus), `key_invalid` (seed length), `aborted` (signal).
 */
export const applyMasks = async (
  lanes: Lanes,
  jobs: readonly MaskJob[],
  modulusBits: number,
  { signal, laneOffset = 0, expand = expandMask }: MaskOptions = {},
): Promise<void> => {
  const ring = laneMask(lanes, modulusBits);
  const width = lanes.BYTES_PER_ELEMENT;
  const step = MASK_CHUNK_BYTES / width;
  let sinceTurn = 0;
  for (let at = 0; at < lanes.length; at += step) {
    const part = lanes.subarray(at, at + step);
    for (const { seed, sign } of jobs) {
      if (signal?.aborted)
        throw new FloeError('aborted', 'Masking was cancelled.', {}, { cause: signal.reason });
      const stream = await expand(seed, (laneOffset + at) * width, part.byteLength);
      combine(part, asLanes(stream, width), sign, ring);
      sinceTurn += part.byteLength;
      if (sinceTurn >= YIELD_BYTES) {
        sinceTurn = 0;
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
  /** One job for each other member whose Share arrived (`pairMask`). */
  readonly pairs: readonly MaskJob[];
}

/**
 * y = x + PRG(self) + sum of sign * PRG(pair) mod 2^b (Bonawitz et al. 2017, round 2), in place. If anything fails, the
 * lanes are zeroed before the error is thrown: a partly masked update never leaves this function.
 * @throws FloeError as {@link applyMasks}; `cohort_too_small` without any pair mask.
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
 * Takes the masks out of a sum of masked vectors, in place: the jobs are those that `recover` returns.
 * @throws FloeError as {@link applyMasks}.
 */
export const unmask = applyMasks;
