/**
 * @module How an update lies in the ring Z_{2^b}: b = q + ceil(log2 n) bits a lane, model
 * coordinates in equal blocks of a power of two, then the extra lanes. After Kairouz et al. 2021
 * (DDGauss), section 4.
 *
 * Blocks: the largest power of two up to 2^15 that pads by no more than 2 % (or 64 coordinates, for
 * tiny models). All blocks are equal, rather than the tail being split into ever smaller ones, so
 * that every coordinate has the same scale: 199,210 parameters lie in 49 blocks of 4096 (0.75 %
 * padding), 1e6 in 31 of 32,768.
 */
import { FloeError } from '../errors.ts';

/** Most bits of a lane and the sensible range of q, for each ring. */
export const RINGS = {
  ring16: { modulusBits: 16, bits: [4, 8] },
  ring24: { modulusBits: 24, bits: [4, 14] },
  ring32: { modulusBits: 32, bits: [4, 20] },
} as const;

export type Ring = keyof typeof RINGS;

/** What both sides agree on before a round; part of the run specification. */
export interface EncodingSpec {
  readonly ring: Ring;
  /** q: a coordinate is rounded to an integer in [-L, L], L = 2^(q-1) - 1. */
  readonly bits: number;
  /** C > 0: the L2 norm an update is clipped to. */
  readonly clipNorm: number;
  /** Random signs and Walsh-Hadamard transform before rounding. */
  readonly rotation: boolean;
  /**
   * Examples of one participant that count, at most; 1 to 1e8. An update's share is min(examples,
   * weightCap) / weightCap.
   */
  readonly weightCap: number;
}

/**
 * A number that is summed beside the update: it travels as floor(value * scale + 1/2), below 2^40.
 */
export interface ExtraSpec {
  readonly name: string;
  /** Steps per unit, > 0: 1 for counts, 1e6 for six decimals. */
  readonly scale: number;
}

export interface RingLayout {
  /** Number of model coordinates, d. */
  readonly dimension: number;
  /** b: sums are taken mod 2^b. */
  readonly modulusBits: number;
  /** 16: `Uint16Array`, b <= 16. 32: `Uint32Array`. */
  readonly laneBits: 16 | 32;
  /** Lanes of one block: a power of two, 64 to 2^15. */
  readonly blockSize: number;
  readonly blocks: number;
  /** blocks * blockSize: where the extra lanes begin. */
  readonly padded: number;
  /** Limbs of q bits, least significant first: weight, clip bit, then each metric. */
  readonly weightLimbs: number;
  readonly metricLimbs: number;
  readonly extraLanes: number;
  /** padded + extraLanes. */
  readonly lanes: number;
  /** Bytes of the packed upload. */
  readonly byteLength: number;
}

export const ENCODING_LIMITS = {
  /** So that totals of 40-bit metrics stay below 2^53. */
  cohort: 4096,
  dimension: 2 ** 31,
  weight: 1e8,
  metrics: 64,
  metricBits: 40,
} as const;

const MAX_BLOCK = 2 ** 15;
const WASTE_SHARE = 0.02;
const WASTE_FREE = 64;

const isInteger = (value: number, low: number, high: number): boolean =>
  Number.isSafeInteger(value) && value >= low && value <= high;

const invalid = (message: string): FloeError => new FloeError('spec_invalid', message);

/** ceil(log2 n) for 1 <= n <= 2^31. */
const ceilLog2 = (n: number): number => 32 - Math.clz32(n - 1);

/** Bits of the integer n, 1 <= n < 2^32. */
const bitLength = (n: number): number => 32 - Math.clz32(n);

const blockSizeFor = (dimension: number): number => {
  const allowed = Math.max(WASTE_FREE, dimension * WASTE_SHARE);
  let size = MAX_BLOCK;
  while (Math.ceil(dimension / size) * size - dimension > allowed) size /= 2;
  return size;
};

const checkSpec = (spec: EncodingSpec, n: number, extras: readonly ExtraSpec[]): void => {
  const ring = Object.hasOwn(RINGS, spec.ring) ? RINGS[spec.ring] : undefined;
  if (!ring) throw invalid(`expected ring16, ring24 or ring32, got ${spec.ring}`);
  const [low, high] = ring.bits;
  if (!isInteger(spec.bits, low, high))
    throw invalid(`${spec.ring}: expected ${low} to ${high} bits, got ${spec.bits}`);
  if (!(spec.clipNorm > 0 && spec.clipNorm < 1e30))
    throw invalid(`expected a clip norm above 0, got ${spec.clipNorm}`);
  if (!isInteger(spec.weightCap, 1, ENCODING_LIMITS.weight))
    throw invalid(`expected a weight cap of 1 to ${ENCODING_LIMITS.weight}, got ${spec.weightCap}`);
  if (!isInteger(n, 1, ENCODING_LIMITS.cohort))
    throw new FloeError(
      'encoding_overflow',
      `expected a cohort of 1 to ${ENCODING_LIMITS.cohort}, got ${n}`,
    );
  if (extras.length > ENCODING_LIMITS.metrics)
    throw invalid(`expected at most ${ENCODING_LIMITS.metrics} metrics, got ${extras.length}`);
  for (const { name, scale } of extras)
    if (!(scale > 0 && scale < 2 ** ENCODING_LIMITS.metricBits))
      throw invalid(`metric ${name}: expected a scale above 0, got ${scale}`);
};

/**
 * The layout that a specification, a cohort of n (1 to 4096) and a model of d coordinates (1 to
 * 2^31) give.
 *
 * @throws FloeError `spec_invalid` for a field out of range; `encoding_overflow` when q + ceil(log2
 * n) exceeds the ring or the cohort is too large
 */
export const ringLayout = (
  spec: EncodingSpec,
  n: number,
  dimension: number,
  extras: readonly ExtraSpec[] = [],
): RingLayout => {
  checkSpec(spec, n, extras);
  if (!isInteger(dimension, 1, ENCODING_LIMITS.dimension))
    throw invalid(`expected 1 to ${ENCODING_LIMITS.dimension} coordinates, got ${dimension}`);
  const modulusBits = spec.bits + ceilLog2(n);
  const most = RINGS[spec.ring].modulusBits;
  if (modulusBits > most)
    throw new FloeError(
      'encoding_overflow',
      `${spec.ring} holds ${most} bits; ${spec.bits} bits for a cohort of ${n} need ${modulusBits}`,
      { ring: spec.ring, bits: spec.bits, cohort: n },
    );
  const blockSize = blockSizeFor(dimension);
  const blocks = Math.ceil(dimension / blockSize);
  const padded = blocks * blockSize;
  const weightLimbs = Math.ceil(bitLength(spec.weightCap) / spec.bits);
  const metricLimbs = Math.ceil(ENCODING_LIMITS.metricBits / spec.bits);
  const extraLanes = weightLimbs + 1 + extras.length * metricLimbs;
  const lanes = padded + extraLanes;
  return {
    dimension,
    modulusBits,
    laneBits: modulusBits <= 16 ? 16 : 32,
    blockSize,
    blocks,
    padded,
    weightLimbs,
    metricLimbs,
    extraLanes,
    lanes,
    byteLength: Math.ceil((lanes * modulusBits) / 8),
  };
};

/** L = 2^(q-1) - 1: the largest integer a coordinate is rounded to. */
export const maxLevel = (spec: EncodingSpec): number => 2 ** (spec.bits - 1) - 1;

/** Standard deviations of a rotated coordinate that fit the range; beyond them it is clamped. */
export const CLAMP_DEVIATIONS = 4.5;

/**
 * Most energy of one rotation block, as a multiple of its even share C^2 / blocks. An update that
 * gathers more of it in one block, because few coordinates hold nearly all of it, is clipped
 * further, so that at least 4.5 / sqrt(3) = 2.6 deviations of every coordinate fit the range.
 * Measured: 1.2 for updates of a dense network, 3 where each participant holds one class.
 */
export const BLOCK_ENERGY = 3;

/**
 * Width of one quantisation step in units of the weighted update. Rotated: coordinates are close to
 * normal with standard deviation at most C / sqrt(padded), and 4.5 of these meet L. Not rotated: a
 * single coordinate may hold all of C.
 */
export const quantisationStep = (spec: EncodingSpec, layout: RingLayout): number => {
  const range = spec.rotation
    ? (CLAMP_DEVIATIONS * spec.clipNorm) / Math.sqrt(layout.padded)
    : spec.clipNorm;
  return range / maxLevel(spec);
};

/** The coordinates at the positions of a block that is not rotated. */
export const plainCoordinates = ({ blockSize }: RingLayout, block: number): Int32Array =>
  Int32Array.from({ length: blockSize }, (_, g) => block * blockSize + g);
