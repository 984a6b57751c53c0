/**
 * @module A table from rows or columns of typed values, with the options of tables that apply to
 * them: columns to leave out, columns of texts, texts that stand for no value.
 */
import { type Table, createTable } from '../table.ts';
import { MISSING } from './csv.ts';
import { MAX_VALUES, checkSize, malformed, someNames } from './limits.ts';
import { type ValueColumn, createValueColumn } from './value-column.ts';

export interface TypedOptions {
  readonly missing?: readonly string[];
  readonly text?: readonly string[];
  readonly drop?: readonly string[];
  readonly maxValues?: number;
}

export interface TypedTable {
  /** The column of a name, new or known; undefined: it is left out. */
  readonly column: (name: string) => ValueColumn | undefined;
  /** @throws FloeError `data_malformed` where a column of the options does not exist */
  readonly finish: (rows: number, notes?: readonly string[]) => Table;
  /** @throws FloeError `data_malformed` for more values than a table may have */
  readonly check: (rows: number) => void;
}

/** @throws FloeError `data_malformed` for a name that is empty or occurs twice */
export const checkNames = (names: readonly string[]): void => {
  const found = new Set<string>();
  for (const name of names) {
    if (name === '') throw malformed('a column has no name');
    if (found.has(name))
      throw malformed('the name occurs twice: rename one of the columns', { column: name });
    found.add(name);
  }
};

export const createTypedTable = (options: TypedOptions): TypedTable => {
  const missing = new Set(['', ...(options.missing ?? MISSING)]);
  const drop = new Set(options.drop);
  const text = new Set(options.text);
  const columns = new Map<string, ValueColumn>();
  const seen = new Set<string>();
  return {
    column: (name) => {
      const found = columns.get(name);
      if (found !== undefined) return found;
      seen.add(name);
      if (drop.has(name)) return undefined;
      const column = createValueColumn(name, missing, text.has(name));
      columns.set(name, column);
      return column;
    },
    check: (rows) => checkSize(rows, columns.size, options.maxValues ?? MAX_VALUES),
    finish: (rows, notes = []) => {
      if (rows === 0 || seen.size === 0) throw malformed('expected a table, found no row');
      for (const name of [...drop, ...text])
        if (!seen.has(name))
          throw malformed(`no column ${name}; there are ${someNames([...seen])}`);
      if (columns.size === 0) throw malformed('every column is left out');
      const all = [...columns.values()];
      const finished = all.map((column) => column.finish(rows));
      return createTable(finished, {
        notes: [...notes, ...all.flatMap((column) => column.notes())],
      });
    },
  };
};
