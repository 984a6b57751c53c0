/**
 * @module Tables as CSV: a header, one column of labels, all other columns numeric. Nothing is
 * guessed: a missing or non-numeric value is refused with its row and column.
 */
import { parse } from 'csv-parse/sync';
import { FloeError } from '../../protocol/errors.ts';
import { type Dataset, createDataset } from './dataset.ts';

export interface CsvOptions {
  /** Name of the label's column, or its index from 0; default: the last column. */
  readonly label?: string | number;
  /** `classes`: labels are categories (default); `values`: numbers to predict. */
  readonly task?: 'classes' | 'values';
  /**
   * The categories in their order, agreed among all participants. Default: those that occur,
   * sorted.
   */
  readonly classNames?: readonly string[];
  /** Columns to leave out, such as identifiers. */
  readonly drop?: readonly string[];
  readonly delimiter?: string;
}

const malformed = (message: string, row?: number): FloeError =>
  new FloeError('data_malformed', message, row === undefined ? {} : { row });

const readRecords = (text: string, delimiter: string): string[][] => {
  try {
    return parse(text, { bom: true, delimiter, skip_empty_lines: true, trim: true });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FloeError('data_malformed', `not a CSV table: ${reason}`, {}, { cause: thrown });
  }
};

const labelColumn = (header: readonly string[], label: string | number | undefined): number => {
  if (label === undefined) return header.length - 1;
  const at = typeof label === 'number' ? label : header.indexOf(label);
  if (!Number.isInteger(at) || at < 0 || at >= header.length)
    throw malformed(`no column ${label}; the header has ${header.join(', ')}`);
  return at;
};

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu;

/** Rows are counted from 1, without the header, as a person counts them. */
const numeric = (text: string, row: number, column: string): number => {
  if (text === '') throw malformed(`row ${row}, column ${column}: the value is missing`, row);
  const value = NUMBER.test(text) ? Math.fround(Number(text)) : NaN;
  if (!Number.isFinite(value))
    throw malformed(`row ${row}, column ${column}: expected a number, got "${text}"`, row);
  return value;
};

const sortedNames = (names: Iterable<string>): string[] => {
  const all = [...new Set(names)];
  // Classes written as numbers keep their order as numbers.
  return all.every((name) => NUMBER.test(name))
    ? all.toSorted((a, b) => Number(a) - Number(b))
    : all.toSorted((a, b) => (a < b ? -1 : 1));
};

/**
 * Reads a table.
 * @throws FloeError `data_malformed` with row and column
 */
export const parseCsv = (text: string, options: CsvOptions = {}): Dataset => {
  const [header, ...rows] = readRecords(text, options.delimiter ?? ',');
  if (header === undefined || rows.length === 0)
    throw malformed('expected a header and at least one row');
  const repeated = header.find((name, i) => header.indexOf(name) !== i);
  if (repeated !== undefined) throw malformed(`column ${repeated} occurs twice`);
  const label = labelColumn(header, options.label);
  const drop = new Set(options.drop);
  for (const name of drop) labelColumn(header, name);
  const columns = header.flatMap((name, i) => (i === label || drop.has(name) ? [] : [i]));
  if (columns.length === 0) throw malformed('no column is left for features');
  const labelName = header[label] ?? '';
  const features = new Float32Array(rows.length * columns.length);
  for (const [i, row] of rows.entries())
    for (const [j, column] of columns.entries())
      features[i * columns.length + j] = numeric(row[column] ?? '', i + 1, header[column] ?? '');
  const common = {
    features,
    featureShape: [columns.length],
    featureNames: columns.map((column) => header[column] ?? ''),
  };
  const texts = rows.map((row) => row[label] ?? '');
  if (options.task === 'values') {
    const labels = Float32Array.from(texts, (value, i) => numeric(value, i + 1, labelName));
    return createDataset({ ...common, labels });
  }
  const empty = texts.indexOf('');
  if (empty >= 0)
    throw malformed(`row ${empty + 1}, column ${labelName}: the value is missing`, empty + 1);
  const classNames = options.classNames ?? sortedNames(texts);
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  const labels = Int32Array.from(texts, (name, i) => {
    const found = numbers.get(name);
    if (found === undefined)
      throw malformed(
        `row ${i + 1}, column ${labelName}: "${name}" is not among ${classNames.join(', ')}`,
        i + 1,
      );
    return found;
  });
  return createDataset({ ...common, labels, classes: classNames.length, classNames });
};
