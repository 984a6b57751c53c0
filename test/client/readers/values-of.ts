/** @module The values of a table, for comparisons. */
import { type Table, textAt } from '../../../client/data/table.ts';
import type { Values } from './text-cases.ts';

/** By column; null: missing. */
export const valuesOf = ({ rows, columns }: Table): Values =>
  Object.fromEntries(
    columns.map((column) => [
      column.name,
      Array.from({ length: rows }, (_, row) => {
        if (column.type === 'text') return textAt(column, row) ?? null;
        const value = column.values[row] as number;
        return Number.isNaN(value) ? null : value;
      }),
    ]),
  );
