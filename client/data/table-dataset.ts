/**
 * @module Examples of a table without a data contract: one column of labels, all others features of
 * numbers. A missing value or a text among the features is refused with its row and column.
 */
import { FloeError } from '../../protocol/errors.ts';
import { type Dataset, createDataset } from './dataset.ts';
import { malformed, quoted, someNames } from './readers/limits.ts';
import { type Column, type Table, textAt } from './table.ts';

export interface LabelOptions {
  /** Name of the label's column, or its index from 0; default: the last column. */
  readonly label?: string | number;
  /** `classes`: labels are numbers or names of classes (default); `values`: numbers to predict. */
  readonly task?: 'classes' | 'values';
  /**
   * The categories in their order, agreed among all participants. Without them labels are whole
   * numbers from 0.
   */
  readonly classNames?: readonly string[];
}

const labelColumn = ({ columns }: Table, label: string | number | undefined): Column => {
  const found =
    typeof label === 'string'
      ? columns.find(({ name }) => name === label)
      : columns[label ?? columns.length - 1];
  if (found === undefined)
    throw malformed(`no column ${label}; there are ${someNames(columns.map(({ name }) => name))}`);
  return found;
};

/** What numbers alone cannot say. */
const CONTRACT =
  'in a run with a data contract (floe contract infer, floe coordinator --contract) the contract ' +
  'says what stands for missing values, and what texts mean';

/** Rows are counted from 1, without the header, as a person counts them. */
const missing = (column: string, row: number): Error =>
  malformed(`the value is missing: fill it in, or leave the column out; ${CONTRACT}`, {
    row: row + 1,
    column,
  });

/** Copies a column of numbers into every `step`-th place of `into`. */
const putNumbers = (column: Column, into: Float32Array, from: number, step: number): void => {
  const { name } = column;
  const rows = into.length / step;
  for (let row = 0; row < rows; row += 1) {
    const value = column.type === 'number' ? (column.values[row] as number) : Number.NaN;
    if (column.type === 'text' || !Number.isFinite(Math.fround(value))) {
      const text = textAt(column, row);
      if (text === undefined) throw missing(name, row);
      if (column.type === 'text' && Number.isFinite(Number(text)) && text.trim() !== '') continue;
      throw malformed(`expected a number, got ${quoted(text)}: leave the column out; ${CONTRACT}`, {
        row: row + 1,
        column: name,
      });
    }
    into[from + row * step] = value;
  }
  // Every value looks like a number, and the reader kept them as texts for a reason that it noted.
  if (column.type === 'text')
    throw malformed('expected numbers, got texts such as codes with leading zeros', {
      column: name,
    });
};

const unnumbered = (column: Column, row: number, text: string): FloeError =>
  new FloeError(
    'contract_missing',
    `row ${row + 1}, column ${column.name}: expected a whole number from 0 as the label, got ${quoted(text)}; ` +
      'only a data contract says which class or value it is',
    { row: row + 1, column: column.name, value: text },
  );

/** Labels that are numbers of classes: no other labels have the same meaning at each site. */
const numberedLabels = (column: Column, rows: number): Int32Array => {
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const text = textAt(column, row);
    if (text === undefined) throw missing(column.name, row);
    const value = column.type === 'number' ? (column.values[row] as number) : Number.NaN;
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 31)
      throw unnumbered(column, row, text);
    labels[row] = value;
  }
  return labels;
};

const textsOf = (column: Column, rows: number): string[] =>
  Array.from({ length: rows }, (_, row) => {
    const text = textAt(column, row);
    if (text === undefined) throw missing(column.name, row);
    return text;
  });

/**
 * The examples of a table whose feature columns are all of numbers.
 * @throws FloeError `data_malformed` with row and column; `contract_missing` for labels that are
 * neither numbers of classes nor among `classNames`
 */
export const datasetOfTable = (table: Table, options: LabelOptions = {}): Dataset => {
  const label = labelColumn(table, options.label);
  const columns = table.columns.filter((column) => column !== label);
  if (columns.length === 0) throw malformed('no column is left for features');
  const features = new Float32Array(table.rows * columns.length);
  for (const [i, column] of columns.entries()) putNumbers(column, features, i, columns.length);
  const common = {
    features,
    featureShape: [columns.length],
    featureNames: columns.map(({ name }) => name),
  };
  if (options.task === 'values') {
    const labels = new Float32Array(table.rows);
    putNumbers(label, labels, 0, 1);
    return createDataset({ ...common, labels });
  }
  const { classNames } = options;
  if (classNames === undefined) {
    const labels = numberedLabels(label, table.rows);
    return createDataset({
      ...common,
      labels,
      classes: 1 + labels.reduce((a, b) => Math.max(a, b), 0),
    });
  }
  const texts = textsOf(label, table.rows);
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  const labels = Int32Array.from(texts, (name, row) => {
    const found = numbers.get(name);
    if (found === undefined)
      throw malformed(`${quoted(name)} is not among ${someNames(classNames)}`, {
        row: row + 1,
        column: label.name,
      });
    return found;
  });
  return createDataset({ ...common, labels, classes: classNames.length, classNames });
};
