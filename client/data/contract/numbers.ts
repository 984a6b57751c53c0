/**
 * @module Numbers of a column: of a column of numbers as they are, of texts where they are numbers
 * or dates, or mapped to some.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { Column } from '../table.ts';
import type { ValueMap } from './mapping.ts';
import { andOthers, missingEntries } from './snippet.ts';
import { UnmappedValues } from './unmapped.ts';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu;
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?$/u;
const DAY = 86_400_000;

/** A number as files write it; undefined for any other text. */
export const numberOf = (text: string): number | undefined => {
  if (!NUMBER.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
};

/** Days from 1970-01-01 to a date such as 2026-01-31, its time of day left out. */
export const daysOf = (text: string): number | undefined => {
  const [, year = '', month = '', day = ''] = DATE.exec(text) ?? [];
  if (day === '') return undefined;
  const at = new Date(`${year}-${month}-${day}T00:00:00Z`);
  // 2026-02-30 would be a day of March.
  return Number.isNaN(at.getTime()) || at.getUTCDate() !== Number(day)
    ? undefined
    : at.getTime() / DAY;
};

/** The row of a text's first occurrence, from 0. */
export const firstRow = (column: Column, text: string): number => {
  if (column.type === 'number') return column.values.findIndex((value) => String(value) === text);
  return column.codes.indexOf(column.texts.indexOf(text));
};

export interface NumbersInit {
  readonly column: Column;
  readonly map: ValueMap;
  readonly date?: boolean;
}

const parsed = (text: string, { map, date }: NumbersInit): number | undefined => {
  const mapped = map.get(text);
  if (mapped === null) return Number.NaN;
  const value = mapped ?? text;
  return date === true ? (daysOf(value) ?? numberOf(value)) : numberOf(value);
};

const checkMap = (init: NumbersInit): void => {
  for (const [from, to] of init.map)
    if (to !== null && parsed(from, init) === undefined)
      throw new FloeError(
        'mapping_invalid',
        `values.${init.column.name}: expected a number or null for ${JSON.stringify(from)}, got ${JSON.stringify(to)}`,
        { column: init.column.name, value: from },
      );
};

/**
 * One number a row; NaN: missing.
 *
 * @throws FloeError `data_unmapped` for a text that is no number, with what to write
 */
export const numbersIn = (init: NumbersInit): Float64Array => {
  const { column, map, date } = init;
  checkMap(init);
  if (column.type === 'number') {
    if (map.size === 0) return column.values;
    return column.values.map((value) =>
      Number.isNaN(value) ? value : (parsed(String(value), init) ?? Number.NaN),
    );
  }
  const byCode = column.texts.map((text) => parsed(text, init));
  const there = new Set(column.codes);
  const refused = column.texts.filter((_, code) => byCode[code] === undefined && there.has(code));
  const [first] = refused;
  if (first !== undefined) {
    const row = firstRow(column, first) + 1;
    const expected = date === true ? 'a date such as 2026-01-31' : 'a number';
    const others = andOthers(refused.length - 1, 'text');
    throw new UnmappedValues([
      {
        column: column.name,
        value: first,
        row,
        fault: `row ${row}, column ${column.name}: expected ${expected}, got ${JSON.stringify(first)}${others}`,
        when: 'where it means a missing value',
        entries: missingEntries(refused),
      },
    ]);
  }
  return Float64Array.from(column.codes, (code) => byCode[code] ?? Number.NaN);
};

/** Of the numbers that are there. */
export interface NumberFacts {
  readonly missing: number;
  readonly least: number;
  readonly largest: number;
  readonly mean: number;
  /** Of the population. */
  readonly deviation: number;
}

/** Two passes: the deviation of large numbers close together stays exact. */
export const factsOf = (values: Float64Array): NumberFacts => {
  let count = 0;
  let sum = 0;
  let least = Infinity;
  let largest = -Infinity;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    count += 1;
    sum += value;
    if (value < least) least = value;
    if (value > largest) largest = value;
  }
  const mean = count === 0 ? 0 : sum / count;
  let squares = 0;
  for (const value of values) if (!Number.isNaN(value)) squares += (value - mean) ** 2;
  return {
    missing: values.length - count,
    least: count === 0 ? Number.NaN : least,
    largest: count === 0 ? Number.NaN : largest,
    mean,
    deviation: count === 0 ? 0 : Math.sqrt(squares / count),
  };
};
