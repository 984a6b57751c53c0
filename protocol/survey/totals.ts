/**
 * @module The opened sum of a survey as integers: exact totals over all sites. They are checked
 * against each other, because a site that writes nonsense moves them all.
 */
import { FloeError } from '../errors.ts';
import { edgeOf } from './grid.ts';
import {
  MOST_ROWS,
  type NumberColumn,
  type Quantity,
  type SurveyColumn,
  type SurveyPlan,
  type ValueColumn,
} from './plan.ts';

export interface NumberTotals {
  readonly type: 'number';
  readonly column: NumberColumn;
  /** Values that are there. */
  readonly known: number;
  readonly missing: number;
  /** Below the range, in each bin, above. */
  readonly bins: readonly number[];
  /** In steps of the grid, from the smaller end of the range. */
  readonly sum: bigint;
  readonly squares: bigint;
}

export interface ValueTotals {
  readonly type: 'values';
  readonly column: ValueColumn;
  readonly known: number;
  readonly missing: number;
  readonly counts: readonly number[];
}

export interface SurveyTotals {
  readonly sites: number;
  readonly rows: number;
  readonly columns: readonly (NumberTotals | ValueTotals)[];
}

const implausible = (what: string, details = {}): FloeError =>
  new FloeError(
    'survey_implausible',
    `${what}: no tables have such sums; a site has sent other numbers than those of its table`,
    details,
  );

type Read = (quantity: Quantity) => bigint;

const reader =
  (plan: SurveyPlan, mean: Float32Array, sites: number): Read =>
  ({ at, limbs }) => {
    let total = 0n;
    for (let i = limbs - 1; i >= 0; i -= 1) {
      const limb = Math.round((mean[at + i] ?? Number.NaN) * sites);
      if (!(limb >= 0 && limb <= sites * (2 ** plan.limbBits - 1)))
        throw implausible(`number ${at + i} of the sum is ${limb}`);
      total = (total << BigInt(plan.limbBits)) + BigInt(limb);
    }
    return total;
  };

const sumOf = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** The smallest and largest sum that values in these bins can have, in steps of the grid. */
const boundsOf = ({ grid, bins: { length } }: NumberColumn, bins: readonly number[]) => {
  const inside = length - 2;
  let [least, most] = [0n, 0n];
  for (const [bin, count] of bins.entries()) {
    const low = bin === 0 ? 0 : edgeOf(grid, inside, Math.min(bin - 1, inside));
    const high = edgeOf(grid, inside, Math.min(bin, inside));
    // One step either way for the rounding.
    const steps = (value: number): number => Math.round(value / grid.step) - grid.origin;
    const from = bin === 0 ? 0 : Math.max(0, steps(low) - 1);
    const to = bin === 0 ? 0 : Math.min(grid.span, steps(high) + 1);
    least += BigInt(count) * BigInt(from);
    most += BigInt(count) * BigInt(to);
  }
  return { least, most };
};

const numbersOf = (column: NumberColumn, rows: number, read: Read): NumberTotals => {
  const { name, grid } = column;
  const bins = column.bins.map((quantity) => Number(read(quantity)));
  const [sum, squares] = [read(column.sum), read(column.squares)];
  const known = sumOf(bins);
  const { least, most } = boundsOf(column, bins);
  const isWhole =
    known <= rows &&
    sum >= least &&
    sum <= most &&
    squares * BigInt(known) >= sum * sum &&
    squares <= sum * BigInt(grid.span);
  if (!isWhole) throw implausible(`column ${name}`, { column: name });
  return { type: 'number', column, known, missing: rows - known, bins, sum, squares };
};

const valuesOf = (column: ValueColumn, rows: number, read: Read): ValueTotals => {
  const counts = column.counts.map((quantity) => Number(read(quantity)));
  const known = sumOf(counts);
  if (known > rows) throw implausible(`column ${column.name}`, { column: column.name });
  return { type: 'values', column, known, missing: rows - known, counts };
};

const totalsOf = (column: SurveyColumn, rows: number, read: Read): NumberTotals | ValueTotals =>
  column.type === 'number' ? numbersOf(column, rows, read) : valuesOf(column, rows, read);

/**
 * The totals over all sites.
 *
 * @param mean the model of the survey's commit: the mean of the sites' vectors
 * @param sites updates in the sum: the weight of the commit
 * @throws FloeError `survey_implausible` naming the column; `tensor_mismatch`
 */
export const readTotals = (plan: SurveyPlan, mean: Float32Array, sites: number): SurveyTotals => {
  if (mean.length !== plan.coordinates)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${plan.coordinates} numbers of the survey, got ${mean.length}`,
    );
  const read = reader(plan, mean, sites);
  const rows = Number(read(plan.rows));
  if (rows < sites || rows > sites * MOST_ROWS) throw implausible(`${rows} rows of ${sites} sites`);
  return { sites, rows, columns: plan.columns.map((column) => totalsOf(column, rows, read)) };
};
