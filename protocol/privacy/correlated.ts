/**
 * @module DP-FTRL with correlated integer noise: in round t a participant adds E (D q)_t + v_t, q
 * and v vectors of Skellam draws of its own, D the banded inverse of banded-inverse.ts. Nothing is
 * rounded after the draws, so the sum over the honest is X_t + E (D Q)_t + V_t with Q and V exact
 * Skellam. docs/correlated-noise.md has the theorem and its proof. In short: for neighbours that
 * differ by integer vectors Delta_t, Q is shifted by the nearest integers to C Delta / E, and V by
 * the integers that remain. The shifts depend on earlier sums only, and their norms are bounded.
 * V is needed: without it the sums modulo E have no noise.
 */
import { FloeError } from '../errors.ts';
import {
  absoluteSum,
  bandedInverse,
  everyRoundNorm,
  prefixVariance,
  roundVariance,
} from './banded-inverse.ts';
import { sensitivityOf, type NoisySegment, type SegmentLattice } from './noise.ts';
import { integerSensitivity, type Sensitivity } from './sensitivity.ts';

export interface CorrelatedMechanism {
  /** p, coefficients of D; with one the noise of all rounds is independent. */
  readonly bands: number;
  /** T, rounds that one participant may be in. */
  readonly rounds: number;
}

/** What a participant of all rounds changes in the draws. */
export interface Shifts {
  /** Of Q, over all rounds. */
  readonly shared: Sensitivity;
  /** Of V; undefined where no rest remains, with one band. */
  readonly rest: Sensitivity | undefined;
}

/**
 * |a| <= |C 1| S / E + sqrt(d T) / 2 and |b| <= E sum |d_k| sqrt(d T) / 2, both L2 over all rounds.
 *
 * @param l2 S, of the rounded vector of one round, in units of the lattice
 * @param dimension d @throws FloeError `privacy_invalid`
 */
export const shiftsOf = (
  l2: number,
  dimension: number,
  { bands, rounds }: CorrelatedMechanism,
): Shifts => {
  if (!Number.isSafeInteger(rounds) || rounds < 1)
    throw new FloeError('privacy_invalid', `expected rounds of at least 1, got ${rounds}`);
  const inverse = bandedInverse(bands);
  const exact = (everyRoundNorm(inverse, rounds) * l2) / inverse.scale;
  const coordinates = dimension * rounds;
  if (bands === 1) {
    // Nothing is rounded, so the L1 norm is that of each round.
    const { l1 } = integerSensitivity(l2, dimension);
    return { shared: { l2: exact, l1: rounds * l1 }, rest: undefined };
  }
  const residual = Math.sqrt(coordinates) / 2;
  return {
    shared: integerSensitivity(exact + residual, coordinates),
    rest: integerSensitivity(absoluteSum(inverse) * residual, coordinates),
  };
};

/** The noise of one vector of the sums. */
export interface CorrelatedSegment {
  /** Of the vector of one round. */
  readonly one: Sensitivity;
  readonly dimension: number;
  /** Central variances of the draws of the smallest honest set, of one coordinate. */
  readonly shared: number;
  /** 0 where there are no such draws. */
  readonly rest: number;
}

/**
 * The variances with which a run is one mechanism of multiplier z over all its rounds. V has the
 * share of the budget that leaves the least noise in the sum of all rounds: of parts that cost A^2
 * / (1 - f) and B^2 / f, f = B / (A + B). Of m vectors each has 1/m of the budget.
 *
 * @param multiplier z, of the whole run
 * @throws FloeError `privacy_invalid`
 */
export const correlatedNoise = (
  lattices: readonly SegmentLattice[],
  multiplier: number,
  mechanism: CorrelatedMechanism,
): readonly CorrelatedSegment[] =>
  lattices.map((lattice) => {
    const { dimension, share } = lattice;
    if (share !== undefined)
      throw new FloeError('privacy_invalid', 'correlated noise has no vector with a share');
    const one = sensitivityOf(lattice);
    const { shared, rest } = shiftsOf(one.l2, dimension, mechanism);
    const { rounds, bands } = mechanism;
    const whole = lattices.length * multiplier * multiplier;
    if (rest === undefined)
      return { one, dimension, shared: whole * shared.l2 * shared.l2, rest: 0 };
    const a = Math.sqrt(prefixVariance(bandedInverse(bands), rounds)) * shared.l2;
    const b = Math.sqrt(rounds) * rest.l2;
    return {
      one,
      dimension,
      shared: (whole * shared.l2 * shared.l2 * (a + b)) / a,
      rest: (whole * rest.l2 * rest.l2 * (a + b)) / b,
    };
  });

/**
 * What the first `rounds` rounds of the mechanism have released, as mechanisms that are used once.
 *
 * @param rounds nothing for 0
 * @throws FloeError `privacy_invalid` where draws are needed and have no variance
 */
export const releasedBy = (
  noise: readonly CorrelatedSegment[],
  bands: number,
  rounds: number,
): readonly NoisySegment[] =>
  (rounds === 0 ? [] : noise).flatMap((segment) => {
    const { shared, rest } = shiftsOf(segment.one.l2, segment.dimension, { bands, rounds });
    if (!(segment.shared > 0) || (rest !== undefined && !(segment.rest > 0)))
      throw new FloeError(
        'privacy_invalid',
        `correlated noise of ${bands} bands needs draws of both kinds: without the independent ones the sums modulo ${bandedInverse(bands).scale} have no noise`,
      );
    return [
      { ...shared, variance: segment.shared },
      ...(rest === undefined ? [] : [{ ...rest, variance: segment.rest }]),
    ];
  });

/** Central variance of the noise in a coordinate of one sum, and the largest step it moves by. */
export const noiseOfRound = (
  { shared, rest }: Pick<CorrelatedSegment, 'shared' | 'rest'>,
  bands: number,
): { readonly variance: number; readonly step: number } => {
  const inverse = bandedInverse(bands);
  return { variance: roundVariance(inverse) * shared + rest, step: inverse.scale };
};

/** Central variance of the noise in the sum of the first `rounds` rounds. */
export const noiseOfPrefix = (
  { shared, rest }: Pick<CorrelatedSegment, 'shared' | 'rest'>,
  bands: number,
  rounds: number,
): number => prefixVariance(bandedInverse(bands), rounds) * shared + rounds * rest;
