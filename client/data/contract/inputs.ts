/**
 * @module The inputs of the model from a table: a number for each column of numbers, normalised,
 * and one for each value of a category, in the contract's order.
 */
import { FloeError } from '../../../protocol/errors.ts';
import {
  type ContractFeature,
  type ContractInput,
  type Normalisation,
  shapeOfInput,
  widthOfFeature,
} from '../../../protocol/spec/contract.ts';
import { textAt, type Column, type Table } from '../table.ts';
import { type Mapping, type ValueMap, valuesOf } from './mapping.ts';
import { type NumberFacts, factsOf, firstRow, numbersIn } from './numbers.ts';
import type { ColumnReport, MappedValue } from './report.ts';
import { andOthers, entriesAmong } from './snippet.ts';
import { readAll, UnmappedValues } from './unmapped.ts';

type TableInput = Extract<ContractInput, { type: 'table' }>;

/** What a column of a site is for. */
export interface Place {
  readonly name: string;
  readonly column: Column;
}

const MOST_NUMBERS = 2 ** 31;

export const normalised = (value: number, by: Normalisation | undefined): number =>
  Math.fround(by === undefined ? value : (value - by.mean) / by.scale);

const refuseMissing = (
  { column, name }: Place,
  row: number,
  type: ContractFeature['type'],
): FloeError =>
  new FloeError(
    'data_unfit',
    `row ${row + 1}, column ${column.name}: the value is missing, and the contract has nothing that stands for it: leave such rows out, ` +
      `or set in the contract of a new run, for the column ${name}, ` +
      (type === 'number' ? '"missing" to a number, such as its mean' : '"missing": "zeros"'),
    { column: column.name, row: row + 1 },
  );

export const refuseNumber = (column: Column, row: number, value: number): FloeError =>
  new FloeError(
    'data_unfit',
    `row ${row + 1}, column ${column.name}: ${value} is too large for the model`,
    { column: column.name, row: row + 1 },
  );

/** Facts of a column of numbers against its range and normalisation. */
export const reportNumbers = (
  { name, column }: Place,
  type: ColumnReport['type'],
  values: Float64Array,
  of: {
    readonly normalise?: Normalisation | undefined;
    readonly range?: readonly [number, number] | undefined;
  },
): ColumnReport => {
  const facts: NumberFacts = factsOf(values);
  const { normalise, range } = of;
  const { missing, least, largest, mean, deviation } = facts;
  const hasNumbers = missing < values.length;
  // Without spread in the contract's table the scale is 1 and says nothing.
  const scale = normalise?.scale;
  const isSpread = range === undefined || range[0] < range[1];
  // Without a normalisation, half the range stands for the scale.
  const expected =
    normalise ??
    (range === undefined
      ? undefined
      : { mean: (range[0] + range[1]) / 2, scale: (range[1] - range[0]) / 2 });
  return {
    name,
    from: column.name,
    type,
    missing,
    present: values.length - missing,
    ...(hasNumbers ? { least, largest, mean, deviation } : {}),
    ...(range === undefined
      ? {}
      : {
          range,
          outside: values.reduce(
            (count, value) => count + Number(value < range[0] || value > range[1]),
            0,
          ),
        }),
    ...(expected === undefined || !hasNumbers || !isSpread ? {} : { expected }),
    ...(normalise === undefined || scale === undefined || !hasNumbers || !isSpread
      ? {}
      : { drift: Math.abs(mean - normalise.mean) / scale, spread: deviation / scale }),
  };
};

interface Writing {
  readonly into: Float32Array;
  readonly width: number;
  /** Of the column's first input. */
  readonly at: number;
}

const writeNumbers = (
  of: Extract<ContractFeature, { type: 'number' }>,
  place: Place,
  map: ValueMap,
  { into, width, at }: Writing,
): ColumnReport => {
  const { column } = place;
  const values = numbersIn({ column, map, ...(of.date === undefined ? {} : { date: of.date }) });
  for (const [row, value] of values.entries()) {
    const known = Number.isNaN(value) ? of.missing : value;
    if (known === undefined) throw refuseMissing(place, row, 'number');
    const input = normalised(known, of.normalise);
    if (!Number.isFinite(input)) throw refuseNumber(column, row, known);
    into[row * width + at] = input;
  }
  return reportNumbers(place, 'number', values, of);
};

/** Texts of the column to the contract's values; undefined: missing. */
export const valueOf = (map: ValueMap, text: string | undefined): string | undefined => {
  if (text === undefined) return undefined;
  const to = map.get(text);
  return to === undefined ? text : (to ?? undefined);
};

/**
 * The index among `names` of each row; -1: missing.
 *
 * @throws FloeError `data_unmapped` with all values that are none of the names
 */
export const indicesOf = (
  column: Column,
  rows: number,
  names: readonly string[],
  map: ValueMap,
  of: string,
): Int32Array => {
  const numbers = new Map(names.map((name, i) => [name, i]));
  const refused = new Set<string>();
  const found = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const text = textAt(column, row);
    const value = valueOf(map, text);
    if (value === undefined) found[row] = -1;
    else {
      const index = numbers.get(value);
      if (index === undefined) refused.add(text ?? value);
      else found[row] = index;
    }
  }
  const [first] = refused;
  if (first === undefined) return found;
  const row = firstRow(column, first) + 1;
  const others = andOthers(refused.size - 1, 'value');
  throw new UnmappedValues([
    {
      column: column.name,
      value: first,
      row,
      fault: `row ${row}, column ${column.name}: ${JSON.stringify(first)}${others} is not among the ${of} of the contract`,
      entries: entriesAmong([...refused], names),
    },
  ]);
};

const writeCategory = (
  of: Extract<ContractFeature, { type: 'category' }>,
  { column, name }: Place,
  rows: number,
  map: ValueMap,
  { into, width, at }: Writing,
): ColumnReport => {
  const indices = indicesOf(column, rows, of.values, map, 'values');
  let missing = 0;
  for (const [row, index] of indices.entries()) {
    if (index >= 0) into[row * width + at + index] = 1;
    else if (of.missing === undefined) throw refuseMissing({ column, name }, row, 'category');
    else missing += 1;
  }
  return { name, from: column.name, type: 'category', missing };
};

export interface Inputs {
  /** Row-major. */
  readonly features: Float32Array;
  readonly columns: readonly ColumnReport[];
  readonly values: readonly MappedValue[];
}

/** The values of a mapping for the report. */
export const mappedValues = (column: Column, map: ValueMap): readonly MappedValue[] =>
  [...map].map(([from, to]) => ({ column: column.name, from, to }));

/**
 * @param place of a feature's column, by the contract's name
 * @throws FloeError `data_unmapped`, `data_unfit`, `mapping_invalid`
 */
export const inputsOf = (
  table: Table,
  input: TableInput,
  mapping: Mapping,
  place: (name: string) => Place,
): Inputs => {
  const [width = 0] = shapeOfInput(input);
  if (table.rows * width > MOST_NUMBERS)
    throw new FloeError(
      'data_unfit',
      `expected at most ${MOST_NUMBERS} numbers, got ${table.rows} rows of ${width}`,
    );
  const into = new Float32Array(table.rows * width);
  const values: MappedValue[] = [];
  let next = 0;
  const reads = input.features.map((feature) => {
    const writing = { into, width, at: next };
    next += widthOfFeature(feature);
    return (): ColumnReport => {
      const own = place(feature.name);
      const allowed = feature.type === 'category' ? feature.values : undefined;
      const map = valuesOf(mapping, own.column.name, feature.name, allowed);
      values.push(...mappedValues(own.column, map));
      return feature.type === 'number'
        ? writeNumbers(feature, own, map, writing)
        : writeCategory(feature, own, table.rows, map, writing);
    };
  });
  return { features: into, columns: readAll<readonly ColumnReport[]>(reads), values };
};
