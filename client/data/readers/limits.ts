/**
 * @module Limits of files of data, and the error of a file that cannot be read: its name, row and
 * column, and what to do.
 */
import { FloeError, toFloeError } from '../../../protocol/errors.ts';

/** Bytes of a file, unpacked. */
export const MAX_BYTES = 2 ** 32 - 1;
/** Values of a table, and numbers of an array: 2 GiB of 8-byte numbers. */
export const MAX_VALUES = 2 ** 28;
/** Columns of a table. */
export const MAX_COLUMNS = 2 ** 18;
/** Bytes of one cell: a quotation mark that nothing closes ends here. */
export const MAX_CELL = 2 ** 20;

export interface Place {
  /** From 1, without the header. */
  readonly row?: number;
  readonly column?: string;
  /** Line of the file, from 1; rows with line breaks in quotes have several. */
  readonly line?: number;
}

/** Where something is, as a person looks for it: `row 7 (line 8), column age`. */
export const placeText = ({ row, column, line }: Place): string =>
  [
    row === undefined
      ? line === undefined
        ? undefined
        : `line ${line}`
      : `row ${row}${line === undefined || line === row ? '' : ` (line ${line})`}`,
    column === undefined ? undefined : `column ${column}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');

/** `data_malformed`, with the place in front and in its details. */
export const malformed = (message: string, place: Place = {}): FloeError => {
  const where = placeText(place);
  return new FloeError('data_malformed', where === '' ? message : `${where}: ${message}`, {
    ...place,
  });
};

/** The same error with the file's name in front; anything foreign becomes `data_malformed`. */
export const inFile = (source: string, thrown: unknown): FloeError => {
  const { code, message, details } = toFloeError(thrown, 'data_malformed');
  if (details['file'] !== undefined) return thrown as FloeError;
  return new FloeError(
    code,
    `${source}: ${message}`,
    { file: source, ...details },
    { cause: thrown },
  );
};

/** @throws FloeError `data_malformed` for more values or columns than a table may have */
export const checkSize = (rows: number, columns: number, maxValues = MAX_VALUES): void => {
  if (columns > MAX_COLUMNS)
    throw malformed(`${columns} columns, the limit is ${MAX_COLUMNS}: leave columns out`);
  if (rows * columns > maxValues)
    throw malformed(
      `${rows} rows of ${columns} columns are more than ${maxValues} values: leave columns out, or split the file`,
    );
};

/** A text of the file in a message, cut short. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** Up to ten names, then how many more there are. */
export const someNames = (names: readonly string[]): string =>
  names.length <= 10
    ? names.join(', ')
    : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
