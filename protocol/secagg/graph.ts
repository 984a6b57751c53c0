/**
 * @module Who masks with whom, and who holds shares of whose secrets (Bell et al. 2020). Everything
 * that depends on it asks here. A cohort has the complete graph (Bonawitz et al. 2017), in which
 * all members are neighbours, or one for each of its groups (groups.ts); a graph of fewer edges for
 * large cohorts is another {@link Graph}, chosen in {@link graphFor}. Members are indices of the
 * cohort in ascending order of their ids.
 */
import { FloeError } from '../errors.ts';
import { MAX_COHORT, MIN_COHORT } from '../spec/bounds.ts';

/** A rule that gives each member its neighbours. All functions are pure. */
export interface Graph {
  /**
   * The members that member `i` of `n` shares a mask with, ascending and without `i`. Symmetric: j
   * is a neighbour of i where i is one of j.
   * @param beacon drawn after the cohort was frozen, so that nobody chooses neighbours
   */
  neighbours(n: number, i: number, beacon: Uint8Array): readonly number[];
  /** t: how many shares of the secret of member `i` give it back. */
  threshold(n: number, i: number, beacon: Uint8Array): number;
}

/** The edges of one cohort. */
export interface Topology {
  /** t of the Shamir sharings; where it differs by member, the lowest. */
  readonly threshold: number;
  /** By member, t of the sharings of its secrets. */
  readonly thresholds: readonly number[];
  /** By member, the neighbours, ascending. */
  readonly neighbours: readonly (readonly number[])[];
  /**
   * By member, the holders of its shares: its neighbours and itself, ascending. A holder's place is
   * its Shamir point minus one.
   */
  readonly holders: readonly (readonly number[])[];
}

/**
 * Throws unless `n` is a size the protocol supports: with two, each learns the other's update by
 * subtraction; GF(2^8) has 255 non-zero points for Shamir's shares.
 */
export const requireCohortSize = (n: number): void => {
  if (!Number.isInteger(n) || n < MIN_COHORT)
    throw new FloeError('cohort_too_small', `expected at least ${MIN_COHORT} members, got ${n}`);
  if (n > MAX_COHORT)
    throw new FloeError('cohort_too_large', `expected at most ${MAX_COHORT} members, got ${n}`);
};

const others = (n: number, i: number): number[] =>
  Array.from({ length: n }, (_, j) => j).filter((j) => j !== i);

/**
 * Everybody is everybody's neighbour. t = floor(2n/3) + 1: two quorums of t share more than n/3
 * members, so a coordinator that lies to some of them needs more than a third of the cohort on its
 * side to collect both kinds of shares for one peer.
 */
export const COMPLETE_GRAPH: Graph = {
  neighbours: others,
  threshold: (n) => {
    requireCohortSize(n);
    return Math.floor((2 * n) / 3) + 1;
  },
};

/** The graph of a cohort of n. */
export const graphFor = (_n: number): Graph => COMPLETE_GRAPH;

const NO_BEACON = new Uint8Array(32);

/** t of a complete graph of n. @throws FloeError `cohort_too_small`, `cohort_too_large` */
export const threshold = (n: number): number => COMPLETE_GRAPH.threshold(n, 0, NO_BEACON);

/** The edges of a cohort of n. @throws FloeError `cohort_too_small`, `cohort_too_large` */
export const topologyOf = (n: number, beacon: Uint8Array, graph = graphFor(n)): Topology => {
  requireCohortSize(n);
  const members = Array.from({ length: n }, (_, i) => i);
  const neighbours = members.map((i) => graph.neighbours(n, i, beacon));
  const thresholds = members.map((i) => graph.threshold(n, i, beacon));
  return {
    threshold: thresholds.reduce((a, b) => Math.min(a, b)),
    thresholds,
    neighbours,
    holders: neighbours.map((list, i) => [...list, i].toSorted((a, b) => a - b)),
  };
};

/**
 * Where `holder` stands among the holders of `author`; undefined where it holds no share of it, or
 * there is no such member.
 */
export const placeOf = (
  { holders }: Topology,
  author: number,
  holder: number,
): number | undefined => {
  const place = holders[author]?.indexOf(holder) ?? -1;
  return place < 0 ? undefined : place;
};

/** An author of whose shares too few are held. */
export interface Uncovered {
  readonly author: number;
  readonly have: number;
  readonly need: number;
}

/**
 * The first of `authors` of whose secrets fewer than t shares are held by `present`: what they
 * shared could not be opened. In the complete graph it is any of them exactly where fewer than t
 * are present.
 */
export const uncovered = (
  { holders, thresholds }: Topology,
  authors: readonly number[],
  present: ReadonlySet<number>,
): Uncovered | undefined => {
  for (const author of authors) {
    const have = (holders[author] ?? []).filter((holder) => present.has(holder)).length;
    const need = thresholds[author] ?? Infinity;
    if (have < need) return { author, have, need };
  }
  return undefined;
};
