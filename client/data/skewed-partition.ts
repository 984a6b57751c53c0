/**
 * @module Partitions whose sizes or labels are skewed: a fixed number of labels for each
 * participant, labels spread by a Dirichlet distribution over the participants, and sizes by a
 * Dirichlet distribution (the three as NIID-Bench defines them: Li et al. 2022, section 4); sizes
 * by a power law; and the values of a natural key. Every example goes to exactly one participant.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';
import { logGamma, shuffle } from './sampling.ts';

/** Draws that would leave a participant empty are repeated this often. */
const TRIES = 200;

const range = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i);

const empty = (scheme: string, size: number, participants: number): FloeError =>
  new FloeError(
    'usage',
    `--partition: ${scheme} of ${size} examples leaves some of ${participants} participants without any; use fewer participants or less skew`,
  );

/** Fractions of `count` parts from Dir(alpha, ..., alpha). */
const fractions = (count: number, alpha: number, random: RandomSource): readonly number[] => {
  const logs = Array.from({ length: count }, () => logGamma(alpha, random));
  const top = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

/** Whole sizes in proportion to `weights`, in all `size`: the largest remainders round up. */
export const sizesOf = (weights: readonly number[], size: number): readonly number[] => {
  const total = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (weight / total) * size);
  const sizes = exact.map(Math.floor);
  const order = exact
    .map((value, i) => ({ i, rest: value - Math.floor(value) }))
    .toSorted((a, b) => b.rest - a.rest || a.i - b.i);
  const left = size - sizes.reduce((a, b) => a + b, 0);
  for (const { i } of order.slice(0, left)) sizes[i] = (sizes[i] as number) + 1;
  return sizes;
};

const cutBySizes = (order: Uint32Array, sizes: readonly number[]): Uint32Array[] => {
  let at = 0;
  return sizes.map((size) => order.slice(at, (at += size)));
};

/** Repeats a draw until nobody is left without examples. @throws FloeError `usage` */
const untilWhole = <Drawn>(
  draw: () => Drawn,
  sizesIn: (drawn: Drawn) => readonly number[],
  fail: () => FloeError,
): Drawn => {
  for (let i = 0; i < TRIES; i += 1) {
    const drawn = draw();
    if (sizesIn(drawn).every((size) => size > 0)) return drawn;
  }
  throw fail();
};

/** Sizes ~ Dir(alpha) of the whole, labels as they come. @throws FloeError `usage` */
export const byQuantity = (
  size: number,
  participants: number,
  alpha: number,
  random: RandomSource,
): Uint32Array[] => {
  const sizes = untilWhole(
    () => sizesOf(fractions(participants, alpha, random), size),
    (drawn) => drawn,
    () => empty(`quantity:${alpha}`, size, participants),
  );
  return cutBySizes(shuffle(range(size), random), sizes);
};

/**
 * The participant of rank r = 1, 2, ... has a part in proportion to 1 / r^exponent; ranks are dealt
 * by the seed. @throws FloeError `usage`
 */
export const byPowerLaw = (
  size: number,
  participants: number,
  exponent: number,
  random: RandomSource,
): Uint32Array[] => {
  const ranks = shuffle(range(participants), random);
  const sizes = sizesOf(
    Array.from(ranks, (rank) => (rank + 1) ** -exponent),
    size,
  );
  if (sizes.includes(0)) throw empty(`power-law:${exponent}`, size, participants);
  return cutBySizes(shuffle(range(size), random), sizes);
};

const poolsOf = (
  labels: ArrayLike<number>,
  classes: number,
  random: RandomSource,
): readonly (readonly number[])[] => {
  const pools: number[][] = Array.from({ length: classes }, () => []);
  for (const row of shuffle(range(labels.length), random)) pools[labels[row] as number]?.push(row);
  return pools;
};

/**
 * Each participant holds `perParticipant` labels: participant i the label i modulo their number,
 * the others by chance; the examples of a label are divided evenly among its holders.
 *
 * @throws FloeError `usage` where a label would have no holder, or a holder no example
 */
export const byLabels = (
  labels: ArrayLike<number>,
  classes: number,
  participants: number,
  perParticipant: number,
  random: RandomSource,
): Uint32Array[] => {
  const scheme = `labels:${perParticipant}`;
  const pools = poolsOf(labels, classes, random).filter((pool) => pool.length > 0);
  if (perParticipant > pools.length)
    throw new FloeError(
      'usage',
      `--partition: ${scheme}: expected at most ${pools.length} labels for each participant`,
    );
  if (participants < pools.length)
    throw new FloeError(
      'usage',
      `--partition: ${scheme}: ${participants} participants cannot hold ${pools.length} labels; expected at least ${pools.length} participants`,
    );
  const holders: number[][] = pools.map(() => []);
  for (let i = 0; i < participants; i += 1) {
    const first = i % pools.length;
    const others = shuffle(
      range(pools.length).filter((label) => label !== first),
      random,
    );
    for (const label of [first, ...others.slice(0, perParticipant - 1)]) holders[label]?.push(i);
  }
  const parts: number[][] = Array.from({ length: participants }, () => []);
  for (const [label, pool] of pools.entries()) {
    const own = holders[label] as number[];
    if (pool.length < own.length) throw empty(scheme, labels.length, participants);
    for (const [i, row] of pool.entries()) parts[own[i % own.length] as number]?.push(row);
  }
  return parts.map((part) => Uint32Array.from(part));
};

/**
 * For each label the participants draw their fractions of it from Dir(alpha); a participant that
 * holds its even part of the whole already takes no more. @throws FloeError `usage`
 */
export const byLabelDirichlet = (
  labels: ArrayLike<number>,
  classes: number,
  participants: number,
  alpha: number,
  random: RandomSource,
): Uint32Array[] => {
  const pools = poolsOf(labels, classes, random);
  const even = labels.length / participants;
  const deal = (): number[][] => {
    const parts: number[][] = Array.from({ length: participants }, () => []);
    for (const pool of pools) {
      const drawn = fractions(participants, alpha, random);
      const open = drawn.map((fraction, i) => ((parts[i]?.length ?? 0) < even ? fraction : 0));
      const weights = open.some((fraction) => fraction > 0) ? open : drawn;
      let at = 0;
      for (const [i, size] of sizesOf(weights, pool.length).entries())
        parts[i]?.push(...pool.slice(at, (at += size)));
    }
    return parts;
  };
  return untilWhole(
    deal,
    (parts) => parts.map((part) => part.length),
    () => empty(`label-dirichlet:${alpha}`, labels.length, participants),
  ).map((part) => Uint32Array.from(part));
};

/** The values of a natural key: a code for each row, and the name of each code. */
export interface RowKeys {
  readonly column: string;
  readonly codes: ArrayLike<number>;
  readonly names: readonly string[];
}

/**
 * All rows of one value go to one participant. With more values than participants each takes
 * several, as many as the others. @throws FloeError `usage` with fewer values than participants
 */
export const byKey = (
  { column, codes, names }: RowKeys,
  participants: number,
  random: RandomSource,
): Uint32Array[] => {
  const rows = new Map<number, number[]>();
  for (let row = 0; row < codes.length; row += 1) {
    const code = codes[row] as number;
    const own = rows.get(code);
    if (own === undefined) rows.set(code, [row]);
    else own.push(row);
  }
  const found = [...rows.keys()].toSorted((a, b) => ((names[a] ?? '') < (names[b] ?? '') ? -1 : 1));
  if (found.length < participants)
    throw new FloeError(
      'usage',
      `--partition: column ${column} has ${found.length} values among the training rows; expected --participants ${found.length} or fewer`,
    );
  // With one value for each, participants are in the order of the values.
  const dealt =
    found.length === participants ? range(found.length) : shuffle(range(found.length), random);
  const parts: number[][] = Array.from({ length: participants }, () => []);
  for (const [i, at] of dealt.entries())
    for (const row of rows.get(found[at] as number) ?? []) parts[i % participants]?.push(row);
  return parts.map((part) => Uint32Array.from(part));
};
