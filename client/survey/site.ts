/**
 * @module A site's part of a survey: counts and sums of its own table, in the vector that the plan
 * of the contract describes. Columns and values are found as for training, and what has no place is
 * refused; a missing value is counted.
 */
import { FloeError } from '../../protocol/errors.ts';
import { targetColumns, type Contract } from '../../protocol/spec/contract.ts';
import { atOnce, type Steps } from '../../protocol/steps.ts';
import { binOf, stepsOf } from '../../protocol/survey/grid.ts';
import {
  MOST_ROWS,
  writeQuantity,
  type NumberColumn,
  type SurveyPlan,
  type ValueColumn,
} from '../../protocol/survey/plan.ts';
import { findColumns, requireRows } from '../data/contract/apply.ts';
import { indicesOf, type Place } from '../data/contract/inputs.ts';
import { valuesOf, type Mapping } from '../data/contract/mapping.ts';
import { numbersIn } from '../data/contract/numbers.ts';
import type { Table } from '../data/table.ts';

/** Values between two steps: some milliseconds of work. */
export const VALUES_PER_STEP = 65_536;

/** Squares are below 2^42: this many are exact in float64. */
const EXACT_SQUARES = 2 ** 11;

/** What of a site leaves, masked, and what stays; for its owner. */
export interface SiteSurvey {
  readonly vector: Float32Array;
  readonly rows: number;
  /** Missing values of all columns. */
  readonly missing: number;
  /** Values beyond the ranges of the contract, by column, where there are some. */
  readonly outside: ReadonlyMap<string, number>;
  /** Columns of the table that the contract does not have. */
  readonly unused: readonly string[];
}

interface Numbers {
  readonly bins: Float64Array;
  readonly sum: number;
  readonly squares: bigint;
}

function* sumsOf({ grid, bins: { length } }: NumberColumn, values: Float64Array): Steps<Numbers> {
  const bins = new Float64Array(length);
  let sum = 0;
  let squares = 0n;
  let [part, parts] = [0, 0];
  for (const [at, value] of values.entries()) {
    if (at % VALUES_PER_STEP === VALUES_PER_STEP - 1) yield VALUES_PER_STEP;
    if (Number.isNaN(value)) continue;
    const bin = binOf(grid, length - 2, value);
    const steps = stepsOf(grid, value);
    bins[bin] = bins[bin]! + 1;
    sum += steps;
    part += steps * steps;
    parts += 1;
    if (parts < EXACT_SQUARES) continue;
    squares += BigInt(part);
    [part, parts] = [0, 0];
  }
  return { bins, sum, squares: squares + BigInt(part) };
}

const countsOf = (column: ValueColumn, rows: number, own: Place, mapping: Mapping) => {
  const { column: table, name } = own;
  const map = valuesOf(mapping, table.name, name, column.values);
  const of = column.of === 'category' ? 'values' : column.of;
  const counts = new Float64Array(column.values.length);
  for (const index of indicesOf(table, rows, column.values, map, of))
    if (index >= 0) counts[index] = counts[index]! + 1;
  return counts;
};

/** {@link surveySite} in steps of values, so that a large table leaves turns to a connection. */
export function* surveySteps(
  table: Table,
  contract: Contract,
  plan: SurveyPlan,
  mapping: Mapping = {},
): Steps<SiteSurvey> {
  requireRows(table);
  const { rows } = table;
  if (rows > MOST_ROWS)
    throw new FloeError('data_unfit', `expected at most ${MOST_ROWS} rows, got ${rows}`);
  const { input, target } = contract;
  const features = input.type === 'table' ? input.features.map(({ name }) => name) : [];
  const needed = [...features, ...targetColumns(target)];
  const { place, unused } = findColumns(table, contract, mapping, needed);
  const vector = new Float32Array(plan.coordinates);
  const write = (quantity: SurveyPlan['rows'], value: number | bigint): void =>
    writeQuantity(vector, quantity, plan.limbBits, BigInt(value));
  write(plan.rows, rows);
  let missing = 0;
  const outside = new Map<string, number>();
  for (const column of plan.columns) {
    const own = place(column.name);
    let known = 0;
    if (column.type === 'values') {
      const counts = countsOf(column, rows, own, mapping);
      for (const [i, count] of counts.entries()) write(column.counts[i]!, count);
      known = counts.reduce((a, b) => a + b, 0);
    } else {
      const map = valuesOf(mapping, own.column.name, column.name);
      const values = numbersIn({ column: own.column, map, date: column.isDate });
      const { bins, sum, squares } = yield* sumsOf(column, values);
      for (const [i, count] of bins.entries()) write(column.bins[i]!, count);
      write(column.sum, sum);
      write(column.squares, squares);
      known = bins.reduce((a, b) => a + b, 0);
      const beyond = bins[0]! + bins[bins.length - 1]!;
      if (beyond > 0) outside.set(column.name, beyond);
    }
    missing += rows - known;
    yield rows % VALUES_PER_STEP;
  }
  return { vector, rows, missing, outside, unused };
}

/**
 * What a table says to a survey.
 *
 * @throws FloeError `data_unmapped`, `mapping_invalid`, `data_unfit` for a table without rows or
 * with more than 16,777,215
 */
export const surveySite = (...args: Parameters<typeof surveySteps>): SiteSurvey =>
  atOnce(surveySteps(...args));
