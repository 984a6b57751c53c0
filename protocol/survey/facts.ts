/**
 * @module What a survey tells of each column: mean, deviation, quantiles, counts. Cells that few
 * rows share are not told: a count below `least` is left out, with another one where it would
 * follow from the rest, and bins are joined until each has enough.
 */
import { edgeOf } from './grid.ts';
import type { NumberTotals, SurveyTotals, ValueTotals } from './totals.ts';

/** Rows that a released cell has, at least. */
export const LEAST_CELL = 5;

/** A count, or undefined where it is not told. */
export type Count = number | undefined;

/** A part of the range, and the values in it. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface NumberFacts {
  readonly type: 'number';
  readonly name: string;
  readonly isDate: boolean;
  readonly missing: Count;
  /** Whether a value is missing anywhere: what a contract must have a rule for. */
  readonly hasMissing: boolean;
  /** Undefined where fewer than `least` values are there. */
  readonly told?: {
    readonly mean: number;
    /** Of the population. */
    readonly deviation: number;
    /** Of 5, 25, 50, 75 and 95 percent, by linear interpolation in the bins. */
    readonly quantiles: readonly [number, number, number, number, number];
    /**
     * Neighbours joined; the values beyond the range are in the first and the last bin. Empty where
     * the number of missing values is not told, because it follows from the sum of the bins.
     */
    readonly bins: readonly Bin[];
    /** Values beyond the range, which the mean counts as its ends. */
    readonly outside: Count;
  };
}

export interface ValueFacts {
  readonly type: 'values';
  readonly of: 'category' | 'classes' | 'labels';
  readonly name: string;
  readonly missing: Count;
  readonly hasMissing: boolean;
  readonly values: readonly { readonly value: string; readonly count: Count }[];
}

export type ColumnFacts = NumberFacts | ValueFacts;

export interface SurveyFacts {
  readonly sites: number;
  readonly rows: number;
  readonly least: number;
  readonly columns: readonly ColumnFacts[];
}

/**
 * Leaves out the counts from 1 to `least` - 1. They follow from the sum of all where there is only
 * one, or where all of them together are few: the next smallest are left out too.
 */
export const toldCounts = (counts: readonly number[], least: number): readonly Count[] => {
  const ascending = counts
    .map((count, at) => ({ count, at }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => a.count - b.count);
  const hidden = new Set<number>();
  let sum = 0;
  for (const { count, at } of ascending) {
    const isEnough = hidden.size !== 1 && (hidden.size === 0 || sum >= least);
    if (count >= least && isEnough) break;
    hidden.add(at);
    sum += count;
  }
  return counts.map((count, at) => (hidden.has(at) ? undefined : count));
};

/** Bins joined from the left until each has `least` values; the rest joins the last one. */
const joined = ({ column, bins }: NumberTotals, least: number): readonly Bin[] => {
  const inside = bins.length - 2;
  // Values beyond the range count at its ends.
  const counts = bins.slice(1, -1);
  counts[0] = (counts[0] ?? 0) + (bins[0] ?? 0);
  counts[inside - 1] = (counts[inside - 1] ?? 0) + (bins.at(-1) ?? 0);
  const found: Bin[] = [];
  let [start, count] = [0, 0];
  for (const [bin, own] of counts.entries()) {
    count += own;
    if (count < least) continue;
    const [from, to] = [start, bin + 1].map((edge) => edgeOf(column.grid, inside, edge));
    found.push({ from: from!, to: to!, count });
    [start, count] = [bin + 1, 0];
  }
  const last = found.pop();
  if (last === undefined) return [];
  return [...found, { ...last, to: column.grid.range[1], count: last.count + count }];
};

const quantile = (bins: readonly Bin[], known: number, fraction: number): number => {
  let rest = known * fraction;
  for (const { from, to, count } of bins) {
    if (rest <= count) return from + (to - from) * (rest / count);
    rest -= count;
  }
  return bins.at(-1)?.to ?? Number.NaN;
};

/** Mean and deviation of the population, from exact integers. */
export const momentsOf = ({
  column,
  known,
  sum,
  squares,
}: NumberTotals): { readonly mean: number; readonly deviation: number } => {
  const { step, origin } = column.grid;
  const count = BigInt(known);
  const variance = Number(squares * count - sum * sum) / known ** 2;
  return {
    // The whole number first: the origin may be far larger than the mean of the steps.
    mean: (Number(sum + BigInt(origin) * count) / known) * step,
    deviation: Math.sqrt(variance) * step,
  };
};

const numberFacts = (totals: NumberTotals, least: number): NumberFacts => {
  const { column, known, missing, bins: all } = totals;
  const [, told] = toldCounts([known, missing], least);
  const base = {
    type: 'number' as const,
    name: column.name,
    isDate: column.isDate,
    missing: told,
    hasMissing: missing > 0,
  };
  if (known < least) return base;
  const bins = joined(totals, least);
  const of = (fraction: number): number => quantile(bins, known, fraction);
  const outside = (all[0] ?? 0) + (all.at(-1) ?? 0);
  return {
    ...base,
    told: {
      ...momentsOf(totals),
      quantiles: [of(0.05), of(0.25), of(0.5), of(0.75), of(0.95)],
      bins: told === undefined ? [] : bins,
      outside: toldCounts([outside, known - outside], least)[0],
    },
  };
};

const valueFacts = ({ column, missing, counts }: ValueTotals, least: number): ValueFacts => {
  const told = toldCounts([...counts, missing], least);
  const { of, name, values } = column;
  return {
    type: 'values',
    of,
    name,
    missing: told.at(-1),
    hasMissing: missing > 0,
    values: values.map((value, i) => ({ value, count: told[i] })),
  };
};

/** @param least rows that a released cell has, at least */
export const surveyFacts = (
  { sites, rows, columns }: SurveyTotals,
  least: number = LEAST_CELL,
): SurveyFacts => ({
  sites,
  rows,
  least,
  columns: columns.map((totals) =>
    totals.type === 'number' ? numberFacts(totals, least) : valueFacts(totals, least),
  ),
});
