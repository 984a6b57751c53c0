/**
 * @module What a survey asks of a site, and where each number lies among the coordinates that
 * travel. A survey is a run of one round whose vector holds counts and sums of the sites' tables
 * instead of weights. All of them are non-negative integers, cut into limbs so small that sums of
 * limbs stay exact through the encoding: no rounding, no clipping.
 */
import { FloeError } from '../errors.ts';
import type { Contract, ContractTarget } from '../spec/contract.ts';
import { gridOf, VALUE_BITS, type Grid } from './grid.ts';

/** Rows of a site, at most, are one less than 2 to this. */
const COUNT_BITS = 24;
export const MOST_ROWS = 2 ** COUNT_BITS - 1;
const SUM_BITS = COUNT_BITS + VALUE_BITS;
const SQUARE_BITS = COUNT_BITS + 2 * VALUE_BITS;

/** Bits of a lane of one site, and the largest integer that fits it. */
export const SURVEY_BITS = 20;
export const SURVEY_LEVEL = 2 ** (SURVEY_BITS - 1) - 1;
/** A float32 that is a mean gives the sum back exactly below this. */
const EXACT_SUM = 2 ** 23;
const LIMB_BITS = { most: 18, least: 4 } as const;
/** Coordinates of a survey: 256 MiB of float32. */
const MOST_COORDINATES = 2 ** 26;

/** A quantity of the table: one non-negative integer of a site, in limbs. */
export interface Quantity {
  /** Its first coordinate. */
  readonly at: number;
  /** Least significant first. */
  readonly limbs: number;
}

/** A column of numbers; quantities are those of its values that are there. */
export interface NumberColumn {
  readonly type: 'number';
  readonly name: string;
  readonly isDate: boolean;
  readonly grid: Grid;
  /** Values below the range, in each bin, and above: bins + 2. */
  readonly bins: readonly Quantity[];
  /** Of the values in steps of the grid. */
  readonly sum: Quantity;
  readonly squares: Quantity;
}

/** A column of texts: rows that have each of the values. */
export interface ValueColumn {
  readonly type: 'values';
  readonly of: 'category' | 'classes' | 'labels';
  readonly name: string;
  readonly values: readonly string[];
  readonly counts: readonly Quantity[];
}

export type SurveyColumn = NumberColumn | ValueColumn;

export interface SurveyPlan {
  /** Bins of a histogram. */
  readonly bins: number;
  readonly limbBits: number;
  readonly rows: Quantity;
  /** Features in the order of the contract, then the target. */
  readonly columns: readonly SurveyColumn[];
  /** Length of the vector. */
  readonly coordinates: number;
}

/** Columns of the contract, before they have a place. */
type Asked =
  | {
      readonly type: 'number';
      readonly name: string;
      readonly isDate: boolean;
      readonly range: readonly [number, number];
    }
  | Pick<ValueColumn, 'type' | 'of' | 'name' | 'values'>;

const numbers = (
  name: string,
  range: readonly [number, number] | undefined,
  isDate = false,
): Asked => {
  if (range === undefined)
    throw new FloeError(
      'contract_invalid',
      `column ${name}: a survey needs its range, such as "range": [0, 100]; give the smallest and the largest value that may be`,
      { column: name },
    );
  return { type: 'number', name, isDate, range };
};

const askedOfTarget = (target: ContractTarget): readonly Asked[] => {
  switch (target.type) {
    case 'classes':
      return [{ type: 'values', of: 'classes', name: target.name, values: target.classes }];
    case 'labels':
      return target.names.map((name) => ({
        type: 'values',
        of: 'labels',
        name,
        values: ['0', '1'],
      }));
    case 'values':
      return target.columns.map(({ name, range }) => numbers(name, range));
  }
};

const askedOf = ({ input, target }: Contract): readonly Asked[] => {
  if (input.type !== 'table')
    throw new FloeError(
      'contract_invalid',
      `input: a survey is of tables with columns, got ${input.type}`,
    );
  const features = input.features.map((feature): Asked => {
    const { name } = feature;
    return feature.type === 'number'
      ? numbers(name, feature.range, feature.date)
      : { type: 'values', of: 'category', name, values: feature.values };
  });
  return [...features, ...askedOfTarget(target)];
};

/** Limbs of the whole survey. */
const coordinatesOf = (asked: readonly Asked[], bins: number, limbBits: number): number => {
  const [count, sum, squares] = [COUNT_BITS, SUM_BITS, SQUARE_BITS].map((bits) =>
    Math.ceil(bits / limbBits),
  ) as [number, number, number];
  return asked.reduce(
    (total, column) =>
      total +
      (column.type === 'number'
        ? (bins + 2) * count + sum + squares
        : column.values.length * count),
    count,
  );
};

/**
 * The largest limbs that survive the encoding: the norm of a site's vector stays below the clip
 * norm, and the sum of a limb over the cohort is exact as a float32 mean.
 */
const limbBitsOf = (asked: readonly Asked[], bins: number, cohort: number): number => {
  for (let bits = LIMB_BITS.most; bits >= LIMB_BITS.least; bits -= 1) {
    const largest = 2 ** bits - 1;
    const coordinates = coordinatesOf(asked, bins, bits);
    const isShort = Math.sqrt(coordinates) * largest <= 0.99 * SURVEY_LEVEL;
    if (isShort && cohort * largest < EXACT_SUM && coordinates <= MOST_COORDINATES) return bits;
  }
  throw new FloeError(
    'encoding_overflow',
    `a survey of ${asked.length} columns with ${bins} bins does not fit its vector; survey fewer columns at once, or with fewer bins`,
    { columns: asked.length, bins },
  );
};

/**
 * The plan of a survey; every site and every reader derive the same.
 *
 * @param bins of a histogram @param cohort size of the cohort, 3 to 4096
 * @throws FloeError `contract_invalid` for a column of numbers without a range, or with one whose
 * sums overflow; `encoding_overflow` for too many columns
 */
export const surveyPlan = (contract: Contract, bins: number, cohort: number): SurveyPlan => {
  const asked = askedOf(contract);
  const limbBits = limbBitsOf(asked, bins, cohort);
  let at = 0;
  const quantity = (bits: number): Quantity => {
    const limbs = Math.ceil(bits / limbBits);
    at += limbs;
    return { at: at - limbs, limbs };
  };
  const counts = (length: number): Quantity[] => Array.from({ length }, () => quantity(COUNT_BITS));
  const rows = quantity(COUNT_BITS);
  const columns = asked.map((column): SurveyColumn => {
    if (column.type === 'values') return { ...column, counts: counts(column.values.length) };
    const { range, ...rest } = column;
    const grid = gridOf(column.name, range);
    return {
      ...rest,
      grid,
      bins: counts(bins + 2),
      sum: quantity(SUM_BITS),
      squares: quantity(SQUARE_BITS),
    };
  });
  return { bins, limbBits, rows, columns, coordinates: at };
};

/** Writes an integer of a site. @param value below 2^(limbs * limbBits) */
export const writeQuantity = (
  vector: Float32Array,
  { at, limbs }: Quantity,
  limbBits: number,
  value: bigint,
): void => {
  const mask = (1n << BigInt(limbBits)) - 1n;
  let rest = value;
  for (let i = 0; i < limbs; i += 1, rest >>= BigInt(limbBits))
    vector[at + i] = Number(rest & mask);
};
