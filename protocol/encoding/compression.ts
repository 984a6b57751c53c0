/**
 * @module What travels of an update where that is less than all of it. Random-k (Konecny et al.
 * 2016, "Federated Learning: Strategies for Improving Communication Efficiency", random mask): k of
 * the d coordinates, drawn for each model from a seed that nobody chooses, the same for the whole
 * cohort. Because everybody keeps the same coordinates, the sum of what is kept is what is kept of
 * the sum: it is linear, and works under masks. Masks, blobs and leaves have k lanes.
 *
 * `unbiased`: what is kept is divided by the rate, so it is the update on average; its squared
 * error is d/k - 1 times the squared norm, in every round anew. `feedback`: it is sent as it is,
 * and each participant adds what it did not send to its next update (Stich et al. 2018).
 *
 * The vectors of a strategy are never scaled: control variates move towards a value, and a step of
 * d/k times the distance would miss it.
 *
 * Norm: k random coordinates of a vector of norm C have the norm C sqrt(k/d) on average. Vectors
 * that hold up to twice the energy of the average there pass; others are shortened.
 */
import { FloeError } from '../errors.ts';

export interface RandomK {
  readonly type: 'random-k';
  /** Fraction of the coordinates that travel: above 0, at most 1. */
  readonly rate: number;
  readonly mode: 'unbiased' | 'feedback';
}

export type Compression = RandomK;

/**
 * Most energy of the coordinates that travel, as a multiple of their even share. Measured on the
 * updates of a dense network at a rate of 10 %: 0.9 to 1.1.
 */
const SUBSAMPLE_ENERGY = 2;

/** k, 1 to `dimension`. */
export const travelling = (compression: Compression | undefined, dimension: number): number =>
  compression === undefined ? dimension : Math.max(1, Math.round(compression.rate * dimension));

/** d/k. */
const inverseRate = (compression: Compression | undefined, dimension: number): number =>
  dimension / travelling(compression, dimension);

/** The vector that a segment is cut from. */
export interface Whole {
  /** d. */
  readonly dimension: number;
  /** L2 norm that it is clipped to before. */
  readonly clipNorm: number;
  /** What the coordinates that travel are multiplied by. */
  readonly scaling: number;
}

/**
 * The L2 norm of what an update leaves for the next one under error feedback, for updates of norm
 * 1: e <- sqrt(1 - k/d) (1 + e) stays below 2 d/k.
 */
export const residualNorm = (compression: Compression | undefined, dimension: number): number =>
  2 * inverseRate(compression, dimension);

/** Of an update of norm C, with what it left out before where that is fed back. */
const wholeOf = (compression: Compression, dimension: number, clipNorm: number): Whole =>
  compression.mode === 'unbiased'
    ? { dimension, clipNorm, scaling: inverseRate(compression, dimension) }
    : { dimension, clipNorm: clipNorm * (1 + residualNorm(compression, dimension)), scaling: 1 };

/**
 * The L2 norm of what travels of an update of norm 1, at most: sqrt(2 d/k), divided by the rate. An
 * update with error feedback has the same room: with its residual it may have the norm 1.4 d/k.
 */
export const travellingNorm = (compression: Compression | undefined, dimension: number): number => {
  const inverse = inverseRate(compression, dimension);
  return Math.sqrt(Math.min(1, SUBSAMPLE_ENERGY / inverse)) * inverse;
};

interface Part {
  readonly dimension: number;
  readonly clipNorm: number;
  readonly whole?: Whole;
}

/** The update as it travels. @param segment with all its coordinates */
export const compressedUpdate = <Segment extends Part>(
  compression: Compression | undefined,
  segment: Segment,
): Segment => {
  if (compression === undefined) return segment;
  const { dimension, clipNorm } = segment;
  return {
    ...segment,
    dimension: travelling(compression, dimension),
    clipNorm: clipNorm * travellingNorm(compression, dimension),
    whole: wholeOf(compression, dimension, clipNorm),
  };
};

/** A vector of a strategy as it travels: at the coordinates of the update, as it is. */
export const compressedVector = <Segment extends Part>(
  compression: Compression | undefined,
  segment: Segment,
): Segment => {
  if (compression === undefined) return segment;
  const { dimension, clipNorm } = segment;
  const share = 1 / inverseRate(compression, dimension);
  return {
    ...segment,
    dimension: travelling(compression, dimension),
    clipNorm: clipNorm * Math.sqrt(Math.min(1, SUBSAMPLE_ENERGY * share)),
    whole: { dimension, clipNorm, scaling: 1 },
  };
};

/**
 * @throws FloeError `spec_invalid` for a rate out of range. That it is at least 1/cohort is checked
 *   with the other settings.
 */
export const checkCompression = (compression: Compression | undefined): void => {
  if (compression === undefined || (compression.rate > 0 && compression.rate <= 1)) return;
  throw new FloeError(
    'spec_invalid',
    `expected a rate above 0, at most 1, got ${compression.rate}`,
  );
};
