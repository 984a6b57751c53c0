/**
 * @module The part of a site's examples that is held out: never trained on, it tests every model of
 * the run. The same examples in the same order give the same part, in every run and after every
 * restart, so that a fork does not train on what its parent was tested with.
 */
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { permutation, randomStream } from '../random.ts';
import { labelLength, rowOf, subset, type Dataset } from './dataset.ts';

export interface Holdout {
  readonly train: Dataset;
  /** Absent where the site has too few examples to hold one out. */
  readonly test?: Dataset;
}

/** Strata of a target that is a number: the held-out part has its range, too. */
const BANDS = 10;

/** A label of each example that the held-out part has in the same proportions. */
const strataOf = (data: Dataset): Int32Array => {
  const strata = new Int32Array(data.size);
  // Several labels an example have no proportions of their own.
  if (labelLength(data) !== 1) return strata;
  const labelOf = (i: number): number => data.labels[rowOf(data, i)] ?? 0;
  if (data.labels instanceof Int32Array) return strata.map((_, i) => labelOf(i));
  const byTarget = Uint32Array.from(strata, (_, i) => i).toSorted(
    (a, b) => labelOf(a) - labelOf(b),
  );
  for (const [rank, i] of byTarget.entries()) strata[i] = Math.floor((rank * BANDS) / data.size);
  return strata;
};

/** Depends on the labels and their order alone. */
const seedOf = (strata: Int32Array): Uint8Array =>
  sha256(utf8('floe/holdout/v1'), utf8(strata.join()));

/**
 * Fewest examples that a site holds out, where that is no more than a tenth of its own: of a few,
 * the metrics of many rounds tell what they are.
 */
const LEAST = 10;

/**
 * A small fraction rounds to nothing at all sites but the largest, and the sums of the run would be
 * those of that one. So every site that can holds some out.
 */
const raised = (fraction: number, size: number): number =>
  size < 2
    ? fraction
    : Math.max(fraction, Math.max(1, Math.min(LEAST, Math.floor(size / 10))) / size);

/** How many of each stratum: rounded down, and then the largest remainders are rounded up. */
const countsOf = (sizes: readonly number[], fraction: number): number[] => {
  const counts = sizes.map((size) => Math.floor(size * fraction));
  const total = sizes.reduce((a, b) => a + b, 0);
  let left = Math.round(total * fraction) - counts.reduce((a, b) => a + b, 0);
  const byRemainder = sizes
    .map((size, of) => ({ of, remainder: size * fraction - Math.floor(size * fraction) }))
    .toSorted((a, b) => b.remainder - a.remainder || a.of - b.of);
  for (const { of } of byRemainder) {
    const count = counts[of] ?? 0;
    // The only example of a class is trained on: nothing else teaches it.
    if (left === 0 || count + 1 >= (sizes[of] ?? 0)) continue;
    counts[of] = count + 1;
    left--;
  }
  return counts;
};

/**
 * Deals examples to training and test, in the same proportions of classes (of numbers: of ten bands
 * of the target). However small the fraction is, ten examples are held out, or a tenth of them
 * where that is less, or one; none where each class has one example.
 *
 * @param fraction of the examples that is held out, above 0 and below 1
 * @throws FloeError `usage` for another fraction
 */
export const holdOut = (data: Dataset, fraction: number): Holdout => {
  if (!(fraction > 0 && fraction < 1))
    throw new FloeError('usage', `holdout: expected a fraction above 0, below 1, got ${fraction}`);
  const strata = strataOf(data);
  const seed = seedOf(strata);
  const groups = Map.groupBy(strata.keys(), (i) => strata[i] ?? 0);
  const labels = [...groups.keys()].toSorted((a, b) => a - b);
  const counts = countsOf(
    labels.map((label) => groups.get(label)?.length ?? 0),
    raised(fraction, data.size),
  );
  const isTest = new Uint8Array(data.size);
  for (const [at, label] of labels.entries()) {
    const rows = groups.get(label) ?? [];
    const order = permutation(rows.length, randomStream(seed, `stratum/${label}`));
    for (const i of order.subarray(0, counts[at])) isTest[rows[i] ?? 0] = 1;
  }
  const rowsWhere = (value: number): number[] =>
    [...isTest.keys()].filter((i) => isTest[i] === value);
  const test = rowsWhere(1);
  return {
    train: subset(data, rowsWhere(0)),
    ...(test.length === 0 ? {} : { test: subset(data, test) }),
  };
};
