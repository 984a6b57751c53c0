/** @module Columns of numbers that could be read in two ways, and what the user can say of them. */
import type { FloeError } from '../../../protocol/errors.ts';
import type { ColumnBuilder, Sight } from './column-builder.ts';
import type { CsvForm } from './csv-form.ts';
import { malformed, quoted } from './limits.ts';
import type { Decimal } from './numbers.ts';

interface Given {
  readonly decimal: Decimal | undefined;
  readonly thousands: string | undefined;
  /** A number of the file that shows its decimal sign without doubt. */
  readonly certain: string | undefined;
}

const otherOf = (decimal: Decimal): Decimal => (decimal === '.' ? ',' : '.');

const refuse = (name: string, { row, text }: Sight, message: string): FloeError =>
  malformed(
    `${quoted(text)} ${message}; or leave the column out (--drop-column ${name}), or keep it as text (--text-column ${name})`,
    { row: row + 1, column: name },
  );

/** A number that shows the file's decimal sign without doubt, with its column. */
export const certainOf = (columns: readonly ColumnBuilder[]): string | undefined => {
  const found = columns.find(({ text, sights }) => !text && sights.certain !== undefined);
  return found === undefined
    ? undefined
    : `${quoted(found.sights.certain?.text ?? '')} in ${found.name}`;
};

/** Why a column of numbers is refused; undefined: it is not. */
export const refusalOfColumn = (
  { name, text, sights }: ColumnBuilder,
  { decimal, delimiter }: CsvForm,
  given: Given,
): FloeError | undefined => {
  if (text) return undefined;
  const { certain } = given;
  const other = otherOf(decimal);
  if (sights.other !== undefined)
    return refuse(
      name,
      sights.other,
      `has another decimal sign than ${certain ?? `--decimal ${decimal}`}: write all numbers alike`,
    );
  if (sights.grouped !== undefined) {
    const mark = /\d([^\d])\d{3}/u.exec(sights.grouped.text)?.[1] ?? other;
    return refuse(
      name,
      sights.grouped,
      `has thousands separators: say --thousands ${quoted(mark === '\u00a0' || mark === '\u202f' ? ' ' : mark)}${mark === decimal ? ` --decimal ${quoted(other)}` : ''}`,
    );
  }
  if (sights.doubtful !== undefined)
    return refuse(
      name,
      sights.doubtful,
      certain === undefined && given.decimal === undefined
        ? `can be a decimal number or have thousands separators: say --decimal ${quoted(other)} or --thousands ${quoted(other)}`
        : `has thousands separators, as the decimal sign is ${quoted(decimal)}: say --thousands ${quoted(other)}`,
    );
  const settled =
    given.decimal !== undefined || given.thousands !== undefined || certain !== undefined;
  // Between commas a point is a decimal sign; between semicolons or tabs it may be either.
  if (sights.unsure !== undefined && !settled && (decimal === ',' || delimiter !== ','))
    return refuse(
      name,
      sights.unsure,
      `can be a decimal number or have thousands separators: say --decimal ${quoted(decimal)} or --thousands ${quoted(decimal)}`,
    );
  return undefined;
};
