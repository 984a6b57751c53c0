/**
 * @module What a column of a table is as a feature of a contract: a number, a category, or nothing
 * that a model can learn from.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { ContractFeature, Normalisation } from '../../../protocol/spec/contract.ts';
import type { TaskType } from '../../task.ts';
import type { Column } from '../table.ts';
import { daysOf, factsOf, firstRow, type NumberFacts, numberOf, numbersIn } from './numbers.ts';

export interface InferOptions {
  /** Name of the target's column, or names for several labels or values. Default: the last one. */
  readonly target?: string | readonly string[] | undefined;
  /** Default: by the target's type and its number of distinct values. */
  readonly task?: TaskType | undefined;
  /** Columns to leave out. */
  readonly drop?: readonly string[] | undefined;
  /** False: the model sees the numbers as they are. Default true. */
  readonly normalise?: boolean | undefined;
  /** False: the contract does not hold the least and the largest number. Default true. */
  readonly ranges?: boolean | undefined;
}

/** A text column with more distinct values is free text. */
const MOST_VALUES = 50;
/** Different in every row, of at least this many rows: an identifier. */
const LEAST_IDENTIFIERS = 5;
const NAMED_LIKE_ID =
  /^(?:(?:.*[\s_.-])?(?:ids?|index|idx|key|uuid|nr|no|number|row)|unnamed.*)$/iu;
/** `patientId`, `PatientID`. */
const CAMEL_ID = /[a-z]I[Dd]$/u;

/** Distinct values as texts, in the order in which they occur first. */
export const distinctOf = (column: Column): string[] => {
  if (column.type === 'number') {
    const values = new Set<number>();
    for (const value of column.values) if (!Number.isNaN(value)) values.add(value);
    return [...values].map(String);
  }
  const codes = new Set<number>();
  for (const code of column.codes) if (code >= 0) codes.add(code);
  return [...codes].map((code) => column.texts[code] ?? '');
};

/** `value` to a precision that a share `of` allows, so that a contract can be read. */
const rounded = (value: number, of: number): number => {
  const digits = Math.min(15, Math.max(1, 6 + Math.ceil(Math.log10(Math.abs(value) / of || 1))));
  return Number(value.toPrecision(digits));
};

/** (x - mean) / deviation; a constant keeps its scale. */
export const normalisationOf = ({ mean, deviation }: NumberFacts): Normalisation => {
  // Rounding leaves a deviation of a constant above zero.
  const isConstant = !(deviation > Math.abs(mean) * 1e-12);
  const scale = isConstant ? 1 : rounded(deviation, deviation);
  return { mean: rounded(mean, scale), scale };
};

export const rangeOf = ({ least, largest }: NumberFacts): [number, number] => [least, largest];

interface Inferred {
  readonly feature?: ContractFeature;
  /** For people, after the column's name. */
  readonly note?: string;
}

const asNumber = (
  name: string,
  values: Float64Array,
  { normalise = true, ranges = true }: InferOptions,
  date = false,
): Inferred => {
  const facts = factsOf(values);
  const normalisation = normalisationOf(facts);
  const notes = [
    ...(date ? ['dates, as days since 1970-01-01'] : []),
    ...(facts.least === facts.largest ? ['the same in every row'] : []),
    ...(facts.missing > 0 ? [`${facts.missing} missing values, the mean stands for them`] : []),
  ];
  return {
    feature: {
      type: 'number',
      name,
      ...(date ? { date: true as const } : {}),
      ...(normalise ? { normalise: normalisation } : {}),
      ...(ranges ? { range: rangeOf(facts) } : {}),
      ...(facts.missing > 0 ? { missing: normalisation.mean } : {}),
    },
    ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
  };
};

const ofNumbers = (
  column: Extract<Column, { type: 'number' }>,
  options: InferOptions,
): Inferred => {
  const { name, values } = column;
  const { missing } = factsOf(values);
  if (missing === values.length) return { note: 'left out: every value is missing' };
  const distinct = new Set(values);
  const isIdentifier =
    values.length >= LEAST_IDENTIFIERS &&
    distinct.size === values.length &&
    values.every(Number.isInteger) &&
    (NAMED_LIKE_ID.test(name.trim()) || CAMEL_ID.test(name.trim()));
  if (isIdentifier) return { note: 'left out: an identifier, different in every row' };
  return asNumber(name, values, options);
};

/** @throws FloeError `data_unfit` for a column of numbers with some texts */
const refuseMixture = (column: Column, texts: readonly string[]): void => {
  const odd = texts.filter((text) => numberOf(text) === undefined);
  const [first] = odd;
  if (first === undefined || odd.length * 2 > texts.length || texts.length < 3) return;
  const row = firstRow(column, first) + 1;
  throw new FloeError(
    'data_unfit',
    `row ${row}, column ${column.name}: ${JSON.stringify(first)} where most values are numbers; correct it or leave the field empty, or leave out the column (--drop)`,
    { column: column.name, value: first, row },
  );
};

const ofTexts = (column: Extract<Column, { type: 'text' }>, options: InferOptions): Inferred => {
  const { name, codes } = column;
  const texts = distinctOf(column);
  const missing = codes.reduce((sum, code) => sum + Number(code < 0), 0);
  const present = codes.length - missing;
  if (present === 0) return { note: 'left out: every value is missing' };
  if (texts.every((text) => daysOf(text) !== undefined))
    return asNumber(name, numbersIn({ column, map: new Map(), date: true }), options, true);
  refuseMixture(column, texts);
  if (present >= LEAST_IDENTIFIERS && texts.length === present)
    return { note: 'left out: texts that differ in every row, an identifier or free text' };
  if (texts.length > MOST_VALUES)
    return { note: `left out: free text, ${texts.length} different values` };
  const notes = [
    `a category of ${texts.length} values`,
    ...(missing > 0 ? [`${missing} missing values are none of them`] : []),
  ];
  return {
    feature: {
      type: 'category',
      name,
      values: texts.toSorted((a, b) => (a < b ? -1 : 1)),
      ...(missing > 0 ? { missing: 'zeros' as const } : {}),
    },
    note: notes.join('; '),
  };
};

/** @throws FloeError `data_unfit` for a text where most values are numbers */
export const inferFeature = (column: Column, options: InferOptions): Inferred =>
  column.type === 'number' ? ofNumbers(column, options) : ofTexts(column, options);
