/**
 * @module A table in memory, column by column, as a reader of a file gives it: names, numbers and
 * texts, not yet inputs of a model. The data contract maps it to examples.
 */
import { FloeError } from '../../protocol/errors.ts';

/**
 * A column of numbers is one in which every value that is there is a number. Texts are stored once
 * each: `codes` point into `texts`.
 */
export type Column =
  | {
      readonly type: 'number';
      readonly name: string;
      /** NaN: missing. */
      readonly values: Float64Array;
    }
  | {
      readonly type: 'text';
      readonly name: string;
      /** Indices into `texts`; -1: missing. */
      readonly codes: Int32Array;
      readonly texts: readonly string[];
    };

export interface Table {
  readonly rows: number;
  readonly columns: readonly Column[];
  /** The file that it is from, for errors. */
  readonly source?: string;
  /** Notes of the reader for the user, such as the encoding that it recognised. */
  readonly notes?: readonly string[];
}

const lengthOf = (column: Column): number =>
  column.type === 'number' ? column.values.length : column.codes.length;

/**
 * @throws FloeError `data_malformed` where columns differ in length, a name occurs twice or is
 * empty
 */
export const createTable = (
  columns: readonly Column[],
  about: Pick<Table, 'source' | 'notes'> = {},
): Table => {
  const rows = columns[0] === undefined ? 0 : lengthOf(columns[0]);
  const names = new Set<string>();
  for (const column of columns) {
    const { name } = column;
    if (name === '') throw new FloeError('data_malformed', 'a column has no name');
    if (names.has(name)) throw new FloeError('data_malformed', `column ${name} occurs twice`);
    names.add(name);
    if (lengthOf(column) !== rows)
      throw new FloeError(
        'data_malformed',
        `column ${name}: expected ${rows} values, got ${lengthOf(column)}`,
      );
  }
  return { rows, columns, ...about };
};

/** A value as text, as a person writes it; undefined where it is missing. */
export const textAt = (column: Column, row: number): string | undefined => {
  if (column.type === 'text') return column.texts[column.codes[row] ?? -1];
  const value = column.values[row] ?? Number.NaN;
  return Number.isNaN(value) ? undefined : String(value);
};
