/**
 * @module The labels of a table as the contract orders them: class numbers, labels of 0 and 1, or
 * normalised values.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { ContractTarget } from '../../../protocol/spec/contract.ts';
import type { Table } from '../table.ts';
import {
  indicesOf,
  mappedValues,
  normalised,
  refuseNumber,
  reportNumbers,
  type Place,
} from './inputs.ts';
import { type Mapping, valuesOf } from './mapping.ts';
import { numbersIn } from './numbers.ts';
import type { ColumnReport, ContractReport, MappedValue } from './report.ts';
import { readAll } from './unmapped.ts';

export interface Labels {
  readonly labels: Int32Array | Float32Array;
  /** Of a target of classes. */
  readonly classNames?: readonly string[];
  readonly columns: readonly ColumnReport[];
  readonly values: readonly MappedValue[];
  readonly histogram?: ContractReport['histogram'];
}

const missingTarget = (name: string, row: number): FloeError =>
  new FloeError(
    'data_unfit',
    `row ${row + 1}, column ${name}: the target is missing; leave such rows out`,
    { column: name, row: row + 1 },
  );

const classesOf = (
  table: Table,
  target: Extract<ContractTarget, { type: 'classes' }>,
  mapping: Mapping,
  { column, name }: Place,
): Labels => {
  const map = valuesOf(mapping, column.name, name, target.classes);
  const labels = indicesOf(column, table.rows, target.classes, map, 'classes');
  const missing = labels.indexOf(-1);
  if (missing >= 0) throw missingTarget(column.name, missing);
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return {
    labels,
    classNames: target.classes,
    columns: [{ name, from: column.name, type: 'target', missing: 0 }],
    values: mappedValues(column, map),
    histogram: target.classes.map((each, i) => ({ name: each, examples: counts.get(i) ?? 0 })),
  };
};

const BITS = ['0', '1'];

const bitsOf = (
  table: Table,
  names: readonly string[],
  mapping: Mapping,
  place: (name: string) => Place,
): Labels => {
  const labels = new Float32Array(table.rows * names.length);
  const values: MappedValue[] = [];
  const reads = names.map((name, j) => (): ColumnReport => {
    const { column } = place(name);
    const map = valuesOf(mapping, column.name, name, BITS);
    values.push(...mappedValues(column, map));
    for (const [row, bit] of indicesOf(column, table.rows, BITS, map, 'labels').entries()) {
      if (bit < 0) throw missingTarget(column.name, row);
      labels[row * names.length + j] = bit;
    }
    return { name, from: column.name, type: 'target', missing: 0 };
  });
  const columns = readAll<readonly ColumnReport[]>(reads);
  const histogram = names.map((name, j) => {
    let examples = 0;
    for (let at = j; at < labels.length; at += names.length) examples += labels[at] ?? 0;
    return { name, examples };
  });
  return { labels, columns, values, histogram };
};

const targetsOf = (
  table: Table,
  { columns }: Extract<ContractTarget, { type: 'values' }>,
  mapping: Mapping,
  place: (name: string) => Place,
): Labels => {
  const labels = new Float32Array(table.rows * columns.length);
  const values: MappedValue[] = [];
  const reads = columns.map((of, j) => (): ColumnReport => {
    const own = place(of.name);
    const { column } = own;
    const map = valuesOf(mapping, column.name, of.name);
    values.push(...mappedValues(column, map));
    const numbers = numbersIn({ column, map });
    for (const [row, value] of numbers.entries()) {
      if (Number.isNaN(value)) throw missingTarget(column.name, row);
      const label = normalised(value, of.normalise);
      if (!Number.isFinite(label)) throw refuseNumber(column, row, value);
      labels[row * columns.length + j] = label;
    }
    return reportNumbers(own, 'target', numbers, of);
  });
  return { labels, columns: readAll<readonly ColumnReport[]>(reads), values };
};

/**
 * @param place of a target's column, by the contract's name
 * @throws FloeError `data_unmapped`, `data_unfit`, `mapping_invalid`
 */
export const labelsOf = (
  table: Table,
  target: ContractTarget,
  mapping: Mapping,
  place: (name: string) => Place,
): Labels => {
  switch (target.type) {
    case 'classes':
      return classesOf(table, target, mapping, place(target.name));
    case 'labels':
      return bitsOf(table, target.names, mapping, place);
    case 'values':
      return targetsOf(table, target, mapping, place);
  }
};
