/**
 * @module The column of a table by whose values the rows are dealt, such as a hospital's name. It
 * is no input of the model: at a real site it has one value.
 */
import type { RowKeys } from '../../client/data/skewed-partition.ts';
import { type Table, textAt } from '../../client/data/table.ts';
import { FloeError } from '../../protocol/errors.ts';
import { type Contract, targetColumns } from '../../protocol/spec/contract.ts';

const isNamed = (contract: Contract | undefined, column: string): boolean => {
  if (contract === undefined) return false;
  const { input, target } = contract;
  const features = input.type === 'table' ? input.features.map(({ name }) => name) : [];
  return [...features, ...targetColumns(target)].includes(column);
};

/**
 * The keys of all rows, and the table without their column, unless the given contract names it.
 *
 * @throws FloeError `usage` where the table has no such column, `data_unfit` for a row without one
 */
export const takeKeys = (
  table: Table,
  key: string | undefined,
  given: Contract | undefined,
): { readonly table: Table; readonly keys?: RowKeys } => {
  if (key === undefined) return { table };
  const column = table.columns.find(({ name }) => name === key);
  if (column === undefined)
    throw new FloeError(
      'usage',
      `--partition: no column ${key}; the table has ${table.columns.map(({ name }) => name).join(', ')}`,
    );
  const names: string[] = [];
  const codeOf = new Map<string, number>();
  const codes = Int32Array.from({ length: table.rows }, (_, row) => {
    const text = textAt(column, row);
    if (text === undefined)
      throw new FloeError('data_unfit', `row ${row + 1} has no value in column ${key}`);
    const code = codeOf.get(text) ?? names.length;
    if (code === names.length) {
      codeOf.set(text, code);
      names.push(text);
    }
    return code;
  });
  const rest = { ...table, columns: table.columns.filter(({ name }) => name !== key) };
  return { table: isNamed(given, key) ? table : rest, keys: { column: key, codes, names } };
};

/** The keys of the chosen rows, of all without a choice. */
export const chosenKeys = (
  keys: RowKeys | undefined,
  rows?: Uint32Array,
): { readonly keys?: RowKeys } => {
  if (keys === undefined) return {};
  if (rows === undefined) return { keys };
  return { keys: { ...keys, codes: Int32Array.from(rows, (row) => keys.codes[row] as number) } };
};
