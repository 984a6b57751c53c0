/**
 * @module How an update lies in the ring Z_{2^b}: segments of coordinates, each in equal blocks of
 * a power of two, then the extra lanes. After Kairouz et al. 2021 (DDGauss), section 4.
 *
 * Segments: the update of the trainable tensors is the first one. The statistics of a model and
 * the vectors that a strategy adds follow, each with its own norm and scale. Leaves,
 * masks and spot checks see one row of blocks.
 *
 * Blocks: the largest power of two up to 2^15 that pads by no more than 2 % (or 64 coordinates, for
 * tiny models). All blocks of a segment are equal, rather than the tail being split into ever
 * smaller ones, so that every coordinate has the same scale: 199,210 parameters lie in 49 blocks of
 * 4096 (0.75 % padding), 1e6 in 31 of 32,768.
 */
import { FloeError } from '../errors.ts';
import type { ClipRule } from '../privacy/adaptive-clipping.ts';
import type { CorrelatedMechanism } from '../privacy/correlated.ts';
import {
  checkCompression,
  compressedUpdate,
  type Compression,
  type Shapes,
  type Whole,
} from './compression.ts';

/**
 * Most bits of a lane and the sensible range of q, for each ring. `spare`: bits of a lane that are
 * left to one participant where q is not given, at least; `least`: bits of such a lane, at least.
 */
export const RINGS = {
  ring16: { modulusBits: 16, bits: [4, 14], spare: 8, least: 12 },
  ring24: { modulusBits: 24, bits: [4, 20], spare: 12, least: 24 },
  ring32: { modulusBits: 32, bits: [4, 20], spare: 20, least: 32 },
} as const;

export type Ring = keyof typeof RINGS;

/** What both sides agree on before a round; part of the run specification. */
export interface EncodingSpec {
  readonly ring: Ring;
  /**
   * q: a coordinate is rounded to an integer in [-L, L], L = 2^(q-1) - 1, and a lane has q +
   * ceil(log2 n) bits. Not given: as many bits as a lane of the ring has for the cohort, and the
   * largest L whose sum over the cohort fits them. See `laneOf`.
   */
  readonly bits?: number | undefined;
  /**
   * Where q is not given: bits of a lane in this attempt, between what the cohort needs and what
   * the ring holds; as few as the cohort needs unless given. See weight-scale.ts.
   */
  readonly modulusBits?: number | undefined;
  /** C > 0: the L2 norm an update is clipped to. */
  readonly clipNorm: number;
  /** Random signs and Walsh-Hadamard transform before rounding. */
  readonly rotation: boolean;
  /** Examples of one participant that count, at most; 1 to 1e8. */
  readonly weightCap: number;
  /**
   * Examples that a full share stands for in this round, at most `weightCap`, which it is unless
   * given: an update's share is min(examples, weightScale) / weightScale. See weight-scale.ts.
   */
  readonly weightScale?: number;
  /** What travels of an update, where that is less than all of it. */
  readonly compression?: Compression | undefined;
  /** Of the tensors that the update is made of: where its compression needs them. */
  readonly shapes?: Shapes | undefined;
  /**
   * Differential privacy: every participant adds noise to each coordinate (stages/noise.ts), and a
   * lane has all bits of the ring. Needs `bits`.
   */
  readonly noise?: NoiseSpec | undefined;
  /** C follows the updates, and the clip bit says whether one was within C: clip-bit.ts. */
  readonly clipping?: ClipRule | undefined;
}

/** The noise of a sum. */
export interface NoiseSpec {
  /** Standard deviation over the L2 sensitivity, > 0; of correlated noise over the whole run. */
  readonly multiplier: number;
  /** Participants of the smallest sum that add their part, at least; 1 of central noise. */
  readonly honestSurvivors: number;
  /** The coordinator adds all of it to the sum of a run without masks; participants add none. */
  readonly isCentral?: boolean;
  /** The noise of a round cancels part of that of earlier rounds: privacy/correlated.ts. */
  readonly correlated?: CorrelatedMechanism;
}

/** The round's scale of the weighted share. */
export const scaleOf = ({ weightScale, weightCap }: EncodingSpec): number =>
  weightScale ?? weightCap;

/** A part of an update with its own scale. */
export interface SegmentSpec {
  readonly name: string;
  /** Coordinates that travel, 1 to 2^31. */
  readonly dimension: number;
  /** L2 norm that a participant's vector is clipped to, > 0. */
  readonly clipNorm: number;
  /** Whether the mean is weighted by examples; otherwise every participant counts the same. */
  readonly weighted: boolean;
  /** The vector that these coordinates are of, where not all of them travel: compression.ts. */
  readonly whole?: Whole;
}

/** Where a segment lies among the lanes. */
export interface SegmentLayout extends SegmentSpec {
  /** Its first block, and its first lane. */
  readonly firstBlock: number;
  readonly firstLane: number;
  /** Lanes of one block: a power of two, 64 to 2^15. */
  readonly blockSize: number;
  readonly blocks: number;
  /** blocks * blockSize. */
  readonly padded: number;
  /** b and L of the layout. */
  readonly modulusBits: number;
  readonly level: number;
}

/**
 * A number that is summed with the update: it travels as floor(value * scale + 1/2), below 2^40.
 */
export interface ExtraSpec {
  readonly name: string;
  /** Steps per unit, > 0: 1 for counts, 1e6 for six decimals. */
  readonly scale: number;
}

export interface RingLayout {
  /** In the order of the lanes; the update of the trainable tensors first. */
  readonly segments: readonly [SegmentLayout, ...SegmentLayout[]];
  /** b: sums are taken mod 2^b. */
  readonly modulusBits: number;
  /** L: the largest integer a coordinate is rounded to; n * L is below 2^(b-1). */
  readonly level: number;
  /** 16: `Uint16Array`, b <= 16. 32: `Uint32Array`. */
  readonly laneBits: 16 | 32;
  /** Of all segments. */
  readonly blocks: number;
  /** Where the extra lanes begin. */
  readonly padded: number;
  /** Bits of a limb: n of them do not wrap. */
  readonly limbBits: number;
  /** Limbs, least significant first: weight, examples, clip bit, then each metric. */
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
  metrics: 512,
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
  if (spec.bits !== undefined && !isInteger(spec.bits, low, high))
    throw invalid(`${spec.ring}: expected ${low} to ${high} bits, got ${spec.bits}`);
  checkCompression(spec.compression);
  if (spec.noise !== undefined && spec.bits === undefined)
    throw invalid('with noise the bits of a coordinate must be given');
  if (!isInteger(spec.weightCap, 1, ENCODING_LIMITS.weight))
    throw invalid(`expected a weight cap of 1 to ${ENCODING_LIMITS.weight}, got ${spec.weightCap}`);
  if (!isInteger(scaleOf(spec), 1, spec.weightCap))
    throw invalid(`expected a weight scale of 1 to ${spec.weightCap}, got ${spec.weightScale}`);
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

/** b, L and the bits of a limb. */
export type Lane = Pick<RingLayout, 'modulusBits' | 'level' | 'limbBits'>;

/**
 * The lane of a ring for a cohort of n. With q given, b = q + ceil(log2 n) and L = 2^(q-1) - 1.
 * Without, ring16 has 8 + ceil(log2 n) bits and at least 12, or `modulusBits` where that is more,
 * ring24 and ring32 have all of theirs, and L = floor((2^(b-1) - 1) / n): no sum of the cohort
 * wraps, whatever its members send within [-L, L].
 *
 * @throws FloeError `encoding_overflow` when the ring does not hold the cohort
 */
export const laneOf = (
  {
    ring,
    bits,
    modulusBits: chosen = 0,
    noise,
  }: Pick<EncodingSpec, 'ring' | 'bits' | 'modulusBits' | 'noise'>,
  n: number,
): Lane => {
  const { modulusBits: most, spare, least } = RINGS[ring];
  const carry = ceilLog2(n);
  const modulusBits = bits === undefined ? Math.max(spare + carry, least, chosen) : bits + carry;
  if (modulusBits > most)
    throw new FloeError(
      'encoding_overflow',
      `${ring} holds ${most} bits; ${bits ?? spare} bits for a cohort of ${n} need ${modulusBits}`,
      { ring, bits: bits ?? spare, cohort: n },
    );
  if (noise !== undefined && bits !== undefined)
    return { modulusBits: most, level: 2 ** (bits - 1) - 1, limbBits: most - carry };
  const level =
    bits === undefined ? Math.floor((2 ** (modulusBits - 1) - 1) / n) : 2 ** (bits - 1) - 1;
  return { modulusBits, level, limbBits: modulusBits - carry };
};

const checkSegment = ({ name, dimension, clipNorm, whole }: SegmentSpec): void => {
  // Units of a low rank are whole, and a tiny model's may be a few more than it has.
  const all = Math.max(whole?.dimension ?? dimension, whole?.sketch ? dimension : 0);
  if (!isInteger(all, 1, ENCODING_LIMITS.dimension) || !isInteger(dimension, 1, all))
    throw invalid(`${name}: expected 1 to ${ENCODING_LIMITS.dimension} coordinates, got ${all}`);
  if (!(clipNorm > 0 && clipNorm < 1e30))
    throw invalid(`${name}: expected a clip norm above 0, got ${clipNorm}`);
};

const placed = (specs: readonly SegmentSpec[], lane: Lane): readonly SegmentLayout[] => {
  let [firstBlock, firstLane] = [0, 0];
  return specs.map((segment) => {
    checkSegment(segment);
    const blockSize = blockSizeFor(segment.dimension);
    const blocks = Math.ceil(segment.dimension / blockSize);
    const padded = blocks * blockSize;
    const { modulusBits, level } = lane;
    const at = { ...segment, firstBlock, firstLane, blockSize, blocks, padded, modulusBits, level };
    firstBlock += blocks;
    firstLane += padded;
    return at;
  });
};

/** What an update has: its coordinates alone, or its segments. */
export type Shape = number | readonly SegmentSpec[];

const segmentsOf = (spec: EncodingSpec, shape: Shape): readonly SegmentSpec[] =>
  typeof shape === 'number'
    ? [
        compressedUpdate(spec, {
          name: 'update',
          dimension: shape,
          clipNorm: spec.clipNorm,
          weighted: true,
        }),
      ]
    : shape;

/**
 * The layout that a specification, a cohort of n (1 to 4096) and the coordinates of an update (1 to
 * 2^31 in each segment) give.
 *
 * @param shape coordinates of the one segment, or all segments
 * @throws FloeError `spec_invalid` for a field out of range; `encoding_overflow` when q + ceil(log2
 * n) exceeds the ring or the cohort is too large
 */
export const ringLayout = (
  spec: EncodingSpec,
  n: number,
  shape: Shape,
  extras: readonly ExtraSpec[] = [],
): RingLayout => {
  checkSpec(spec, n, extras);
  const lane = laneOf(spec, n);
  const [first, ...others] = placed(segmentsOf(spec, shape), lane);
  if (first === undefined) throw invalid('expected at least one segment');
  const last = others.at(-1) ?? first;
  const padded = last.firstLane + last.padded;
  const weightLimbs = Math.ceil(bitLength(spec.weightCap) / lane.limbBits);
  const metricLimbs = Math.ceil(ENCODING_LIMITS.metricBits / lane.limbBits);
  const extraLanes = 2 * weightLimbs + 1 + extras.length * metricLimbs;
  const lanes = padded + extraLanes;
  return {
    segments: [first, ...others],
    ...lane,
    laneBits: lane.modulusBits <= 16 ? 16 : 32,
    blocks: last.firstBlock + last.blocks,
    padded,
    weightLimbs,
    metricLimbs,
    extraLanes,
    lanes,
    byteLength: Math.ceil((lanes * lane.modulusBits) / 8),
  };
};

/** The segment that a block of the layout is in. @throws FloeError `internal` */
export const segmentAt = ({ segments }: RingLayout, block: number): SegmentLayout => {
  for (const segment of segments)
    if (block >= segment.firstBlock && block < segment.firstBlock + segment.blocks) return segment;
  throw new FloeError('internal', `no segment has block ${block}`);
};

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
export const quantisationStep = (spec: EncodingSpec, segment: SegmentLayout): number => {
  const { clipNorm, padded, level } = segment;
  const range = spec.rotation ? (CLAMP_DEVIATIONS * clipNorm) / Math.sqrt(padded) : clipNorm;
  return range / level;
};

/** The clip norm of a segment in steps of its quantisation, which does not depend on the norm. */
export const normInSteps = (
  { rotation }: EncodingSpec,
  { padded, level }: SegmentLayout,
): number => (rotation ? (level * Math.sqrt(padded)) / CLAMP_DEVIATIONS : level);

/** What an integer of a sum is multiplied by to be a mean of updates. */
export const stepOfMean = (
  spec: EncodingSpec,
  segment: SegmentLayout,
  { survivors, weight }: { readonly survivors: number; readonly weight: number },
): number => {
  const step = quantisationStep(spec, segment);
  return segment.weighted ? (step * scaleOf(spec)) / weight : step / survivors;
};

/** The coordinates at the positions of a block that is not rotated. */
export const plainCoordinates = ({ blockSize }: SegmentLayout, block: number): Int32Array =>
  Int32Array.from({ length: blockSize }, (_, g) => block * blockSize + g);
