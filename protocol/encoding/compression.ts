/**
 * @module What travels of an update where that is less than all of it.
 *
 * Random-k (Konecny et al. 2016, "Federated Learning: Strategies for Improving Communication
 * Efficiency", random mask): k of the d coordinates, drawn for each model from a seed that nobody
 * chooses, the same for the whole cohort. Because everybody keeps the same coordinates, the sum of
 * what is kept is what is kept of the sum: it is linear, and works under masks. Low rank: a product
 * of each matrix with a random one, see low-rank.ts. Masks, blobs and leaves have k lanes.
 *
 * `unbiased`: what is kept is divided by the rate, so it is the update on average; its squared
 * error is d/k - 1 times the squared norm, in every round anew. `feedback`: it is sent as it is,
 * and each participant adds what it did not send to its next update (Stich et al. 2018).
 *
 * The vectors of a strategy are never scaled: control variates move towards a value, and a step of
 * d/k times the distance would miss it.
 *
 * Norm: k random coordinates of a vector of norm C have the norm C sqrt(k/d) on average. Vectors
 * that hold up to twice the energy of the average there pass; others are shortened. Of a low-rank
 * update d/k is that of the matrix with the largest one.
 */
import { FloeError } from '../errors.ts';
import { planSketch, RANKS, type Sketch } from './low-rank.ts';

export interface RandomK {
  readonly type: 'random-k';
  /** Fraction of the coordinates that travel: above 0, at most 1. */
  readonly rate: number;
  readonly mode: 'unbiased' | 'feedback';
}

export interface LowRank {
  readonly type: 'low-rank';
  /** r: numbers of each vector of a matrix that travel; a power of two, 4 to 64. */
  readonly rank: number;
  readonly mode: 'unbiased' | 'feedback';
}

export type Compression = RandomK | LowRank;

/** The shapes of the tensors that an update is made of, in its order. */
export type Shapes = readonly (readonly number[])[];

/** What determines what travels. */
export interface Compressed {
  readonly compression?: Compression | undefined;
  /** Needed for a low rank. */
  readonly shapes?: Shapes | undefined;
}

/**
 * Most energy of the coordinates that travel, as a multiple of their even share. Measured on the
 * updates of a dense network at a rate of 10 %: 0.9 to 1.1.
 */
const SUBSAMPLE_ENERGY = 2;

const sketches = new WeakMap<Shapes, Map<number, Sketch>>();

const sketchOf = (rank: number, shapes: Shapes | undefined): Sketch => {
  if (shapes === undefined)
    throw new FloeError('spec_invalid', 'a low rank needs the shapes of the tensors');
  const known = sketches.get(shapes) ?? new Map<number, Sketch>();
  sketches.set(shapes, known);
  const sketch = known.get(rank) ?? planSketch(shapes, rank);
  known.set(rank, sketch);
  return sketch;
};

/** k, 1 to `dimension`; of a low rank in whole units, which may be a few more. */
export const travelling = ({ compression, shapes }: Compressed, dimension: number): number => {
  if (compression === undefined) return dimension;
  if (compression.type === 'random-k') return Math.max(1, Math.round(compression.rate * dimension));
  return sketchOf(compression.rank, shapes).units * compression.rank;
};

/** d/k; of a low rank the largest M/r. */
const inverseRate = (of: Compressed, dimension: number): number => {
  const { compression, shapes } = of;
  if (compression?.type !== 'low-rank') return dimension / travelling(of, dimension);
  const { rank, matrices } = sketchOf(compression.rank, shapes);
  return matrices.reduce((most, { padded }) => Math.max(most, padded / rank), 1);
};

/** The vector that a segment is cut from. */
export interface Whole {
  /** d. */
  readonly dimension: number;
  /** L2 norm that it is clipped to before. */
  readonly clipNorm: number;
  /** What the coordinates that travel are multiplied by. */
  readonly scaling: number;
  /** Of a low rank: how it is cut, and whether what travels is multiplied by M/r. */
  readonly sketch?: Sketch;
  readonly scaled?: boolean;
}

/**
 * The L2 norm of what an update leaves for the next one under error feedback, for updates of norm
 * 1: e <- sqrt(1 - k/d) (1 + e) stays below 2 d/k.
 */
export const residualNorm = (of: Compressed, dimension: number): number =>
  2 * inverseRate(of, dimension);

/** Of an update of norm C, with what it left out before where that is fed back. */
const wholeOf = (of: Compressed, dimension: number, clipNorm: number): Whole => {
  const { compression, shapes } = of;
  const isUnbiased = compression?.mode === 'unbiased';
  const norm = isUnbiased ? clipNorm : clipNorm * (1 + residualNorm(of, dimension));
  if (compression?.type === 'low-rank')
    return {
      dimension,
      clipNorm: norm,
      scaling: 1,
      sketch: sketchOf(compression.rank, shapes),
      scaled: isUnbiased,
    };
  return { dimension, clipNorm: norm, scaling: isUnbiased ? inverseRate(of, dimension) : 1 };
};

/**
 * The L2 norm of what travels of an update of norm 1, at most: sqrt(2 d/k), divided by the rate. An
 * update with error feedback has the same room: with its residual it may have the norm 1.4 d/k.
 */
export const travellingNorm = (of: Compressed, dimension: number): number => {
  const inverse = inverseRate(of, dimension);
  return Math.sqrt(Math.min(1, SUBSAMPLE_ENERGY / inverse)) * inverse;
};

interface Part {
  readonly dimension: number;
  readonly clipNorm: number;
  readonly whole?: Whole;
}

/** The update as it travels. @param segment with all its coordinates */
export const compressedUpdate = <Segment extends Part>(
  of: Compressed,
  segment: Segment,
): Segment => {
  if (of.compression === undefined) return segment;
  const { dimension, clipNorm } = segment;
  return {
    ...segment,
    dimension: travelling(of, dimension),
    clipNorm: clipNorm * travellingNorm(of, dimension),
    whole: wholeOf(of, dimension, clipNorm),
  };
};

/**
 * A vector of a strategy as it travels: at the coordinates of the update, as it is. The product of
 * a low rank may have all of its norm.
 */
export const compressedVector = <Segment extends Part>(
  of: Compressed,
  segment: Segment,
): Segment => {
  const { compression, shapes } = of;
  if (compression === undefined) return segment;
  const { dimension, clipNorm } = segment;
  const whole = { dimension, clipNorm, scaling: 1 };
  if (compression.type === 'low-rank')
    return {
      ...segment,
      dimension: travelling(of, dimension),
      whole: { ...whole, sketch: sketchOf(compression.rank, shapes) },
    };
  const share = 1 / inverseRate(of, dimension);
  return {
    ...segment,
    dimension: travelling(of, dimension),
    clipNorm: clipNorm * Math.sqrt(Math.min(1, SUBSAMPLE_ENERGY * share)),
    whole,
  };
};

/** Of a vector of length m padded to M: the squared error of what comes back, over its square. */
const sketchError = (rank: number, length: number, padded: number, isUnbiased: boolean): number => {
  const rate = rank / padded;
  const spread = length / padded;
  return isUnbiased ? (1 / rate - 1) * spread : (1 - rate) ** 2 + rate * (1 - rate) * spread;
};

/**
 * Root mean square of what compression makes of one mean, relative to its norm: sqrt(d/k - 1)
 * unbiased, sqrt(1 - k/d) with error feedback; of a low rank over matrices of equal energy in each
 * element. Each round draws anew. 0 without compression.
 */
export const compressionError = (of: Compressed, dimension: number): number => {
  const { compression, shapes } = of;
  if (compression === undefined) return 0;
  const isUnbiased = compression.mode === 'unbiased';
  if (compression.type === 'random-k') {
    const rate = travelling(of, dimension) / dimension;
    return Math.sqrt(isUnbiased ? 1 / rate - 1 : 1 - rate);
  }
  const { rank, matrices } = sketchOf(compression.rank, shapes);
  const squares = matrices.reduce(
    (sum, { vectors, length, padded }) =>
      sum + vectors * length * sketchError(rank, length, padded, isUnbiased),
    0,
  );
  return Math.sqrt(squares / dimension);
};

const isRank = (rank: number): boolean =>
  rank >= RANKS.min && rank <= RANKS.max && Number.isInteger(Math.log2(rank));

/**
 * @throws FloeError `spec_invalid` for a rate or a rank out of range. That a rate is at least
 *   1/cohort is checked with the other settings.
 */
export const checkCompression = (compression: Compression | undefined): void => {
  if (compression?.type === 'random-k' && !(compression.rate > 0 && compression.rate <= 1))
    throw new FloeError(
      'spec_invalid',
      `expected a rate above 0, at most 1, got ${compression.rate}`,
    );
  if (compression?.type === 'low-rank' && !isRank(compression.rank))
    throw new FloeError(
      'spec_invalid',
      `expected a rank of 4, 8, 16, 32 or 64, got ${compression.rank}`,
    );
};
