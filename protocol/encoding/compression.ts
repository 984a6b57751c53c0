/**
 * @module What travels of an update where that is less than all of it. Random-k (Konecny et al.
 * 2016, "Federated Learning: Strategies for Improving Communication Efficiency", random mask): k of
 * the d coordinates, drawn for each model from a seed that nobody chooses, the same for the whole
 * cohort. Because everybody keeps the same coordinates, the sum of what is kept is what is kept of
 * the sum: it is linear, and works under masks. Masks, blobs and leaves have k lanes.
 *
 * Scaling: divided by the rate, what is kept is the update on average (unbiased); its squared error
 * is d/k - 1 times the squared norm, in every round anew. Without scaling it is the update in k
 * coordinates and 0 elsewhere.
 *
 * Norm: k random coordinates of a vector of norm C have the norm C sqrt(k/d) on average. Vectors
 * that hold up to twice the energy of the average there pass; others are shortened.
 */
import { FloeError } from '../errors.ts';

export interface RandomK {
  readonly type: 'random-k';
  /** Fraction of the coordinates that travel: above 0, at most 1. */
  readonly rate: number;
  /** `unbiased`: what travels is multiplied by d/k. */
  readonly scaling: 'unbiased' | 'none';
}

export type Compression = RandomK;

/**
 * Most energy of the coordinates that travel, as a multiple of their even share. Measured on the
 * updates of a dense network at a rate of 10 %: 0.9 to 1.1.
 */
export const SUBSAMPLE_ENERGY = 2;

/** k, 1 to `dimension`. */
export const travelling = (compression: Compression | undefined, dimension: number): number =>
  compression === undefined ? dimension : Math.max(1, Math.round(compression.rate * dimension));

/** What the coordinates that travel are multiplied by. */
export const scalingOf = (compression: Compression | undefined, dimension: number): number =>
  compression?.scaling === 'unbiased' ? dimension / travelling(compression, dimension) : 1;

/** The L2 norm of what travels of a vector of norm 1, at most: scaled, as it travels. */
export const travellingNorm = (compression: Compression | undefined, dimension: number): number => {
  const share = travelling(compression, dimension) / dimension;
  return Math.sqrt(Math.min(1, SUBSAMPLE_ENERGY * share)) * scalingOf(compression, dimension);
};

/** The vector that a segment is cut from. */
export interface Whole {
  /** d. */
  readonly dimension: number;
  /** L2 norm that it is clipped to before. */
  readonly clipNorm: number;
}

interface Part {
  readonly dimension: number;
  readonly clipNorm: number;
  readonly whole?: Whole;
}

/** A segment as it travels: itself without compression. @param segment with all its coordinates */
export const compressed = <Segment extends Part>(
  compression: Compression | undefined,
  segment: Segment,
): Segment => {
  if (compression === undefined) return segment;
  const { dimension, clipNorm } = segment;
  return {
    ...segment,
    dimension: travelling(compression, dimension),
    clipNorm: clipNorm * travellingNorm(compression, dimension),
    whole: { dimension, clipNorm },
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
