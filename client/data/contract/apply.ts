/**
 * @module A site's own data as the examples that the data contract of the run describes: columns by
 * name in any order, classes in the contract's order, numbers normalised by the contract. Data that
 * does not fit is refused with the column, the value and what to write.
 */
import { FloeError } from '../../../protocol/errors.ts';
import {
  type Contract,
  inputNames,
  shapeOfInput,
  targetColumns,
} from '../../../protocol/spec/contract.ts';
import { someOf } from '../../../protocol/spec/describe-contract.ts';
import { createDataset, type Dataset } from '../dataset.ts';
import type { Table } from '../table.ts';
import { applyToDataset } from './arrays.ts';
import { inputsOf, type Inputs, type Place } from './inputs.ts';
import { type Labels, labelsOf } from './labels.ts';
import { checkValueColumns, columnsByContract, type Mapping } from './mapping.ts';
import { type AcceptedDrift, refuseOtherUnits } from './other-unit.ts';
import { type AppliedData, type ContractReport, warningsOf } from './report.ts';
import { columnSnippet } from './snippet.ts';
import { readAll } from './unmapped.ts';

export const isTable = (of: Table | Dataset): of is Table => 'columns' in of;

const named = (table: Pick<Table, 'source'>): string => table.source ?? 'the data';

interface Found {
  readonly place: (name: string) => Place;
  readonly unused: readonly string[];
}

/** @throws FloeError `data_unmapped` naming the columns that are missing, `mapping_invalid` */
export const findColumns = (
  table: Table,
  contract: Contract,
  mapping: Mapping,
  needed: readonly string[],
): Found => {
  const own = new Map(table.columns.map((column) => [column.name, column]));
  const found = columnsByContract([...own.keys()], contract, mapping);
  checkValueColumns(mapping, found);
  const taken = new Set(found.values());
  const unused = [...own.keys()].filter((name) => !taken.has(name));
  const missing = needed.filter((name) => !found.has(name));
  const [first] = missing;
  if (first !== undefined)
    throw new FloeError(
      'data_unmapped',
      `${named(table)} has no column ${someOf(missing.map((name) => JSON.stringify(name)))}, which the contract names` +
        `${unused.length === 0 ? '' : `; columns without a place: ${someOf(unused)}`}; write in the mapping file: ${columnSnippet(missing, unused)}`,
      { column: first },
    );
  const place = (name: string): Place => {
    const column = own.get(found.get(name) ?? '');
    if (column === undefined) throw new FloeError('data_unmapped', `no column ${name}`);
    return { name, column };
  };
  return { place, unused };
};

const tableInput = (table: Table, { input }: Contract) => {
  if (input.type === 'table') return input;
  throw new FloeError(
    'data_unfit',
    `the contract takes ${input.type === 'image' ? 'images' : 'arrays'} of shape [${input.shape.join(', ')}], ${named(table)} is a table of columns`,
  );
};

export const requireRows = (table: Table): void => {
  if (table.rows === 0) throw new FloeError('data_unfit', `${named(table)} has no row`);
};

const sourceOf = ({ source }: Table) => (source === undefined ? {} : { source });

/**
 * The inputs of the model from a table, whose target may be missing: what `predict` takes.
 *
 * @returns features row-major, [rows, inputs]
 * @throws FloeError `data_unmapped`, `data_unfit`, `mapping_invalid`
 */
export const applyInputs = (
  table: Table,
  contract: Contract,
  mapping: Mapping = {},
): Inputs & { readonly rows: number; readonly featureShape: readonly number[] } => {
  const input = tableInput(table, contract);
  requireRows(table);
  const needed = input.features.map(({ name }) => name);
  const { place } = findColumns(table, contract, mapping, needed);
  const inputs = inputsOf(table, input, mapping, place);
  return { ...inputs, rows: table.rows, featureShape: shapeOfInput(input) };
};

export interface ApplyOptions {
  /**
   * Columns, by own name or the contract's, that may lie as far from the contract as another unit
   * does; `all`: warn of them only. Default: none.
   */
  readonly acceptDrift?: AcceptedDrift | undefined;
}

const applyToTable = (
  table: Table,
  contract: Contract,
  mapping: Mapping,
  { acceptDrift = [] }: ApplyOptions,
): AppliedData => {
  const input = tableInput(table, contract);
  requireRows(table);
  const { target } = contract;
  const needed = [...input.features.map(({ name }) => name), ...targetColumns(target)];
  const { place, unused } = findColumns(table, contract, mapping, needed);
  const [{ labels, classNames, histogram, ...own }, { features, columns, values }] = readAll<
    readonly [Labels, Inputs]
  >([() => labelsOf(table, target, mapping, place), () => inputsOf(table, input, mapping, place)]);
  const data = createDataset({
    features,
    labels,
    featureShape: shapeOfInput(input),
    featureNames: inputNames(input) ?? [],
    ...(classNames === undefined ? {} : { classes: classNames.length, classNames }),
    ...(target.type === 'labels' ? { classes: target.names.length, classNames: target.names } : {}),
  });
  const all = [...columns, ...own.columns];
  refuseOtherUnits(all, acceptDrift);
  const report: ContractReport = {
    ...sourceOf(table),
    examples: table.rows,
    columns: all,
    unused,
    values: [...values, ...own.values],
    ...(histogram === undefined ? {} : { histogram }),
    warnings: warningsOf(all, table.rows, histogram),
  };
  return { data, report };
};

/**
 * Maps a site's data to the contract. A data set of images or arrays is checked in the same way:
 * its shape, and its class names in place of a column's.
 *
 * @throws FloeError `data_unmapped` for columns and values without a place, with the lines to write
 * in a mapping file; `data_unfit` for missing values that the contract has nothing for, for
 * numbers that are too large and for columns in another unit; `mapping_invalid`; `usage`. Details:
 * column, value, row from 1.
 */
export const applyContract = (
  data: Table | Dataset,
  contract: Contract,
  mapping: Mapping = {},
  options: ApplyOptions = {},
): AppliedData =>
  isTable(data)
    ? applyToTable(data, contract, mapping, options)
    : applyToDataset(data, contract, mapping, options.acceptDrift);
