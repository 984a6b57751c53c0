/**
 * @module Predictions as a table in CSV (RFC 4180): a row for each example in the order of the
 * data.
 */
import type { Task } from '../task.ts';

/** What a model says of each example. */
export interface Predictions {
  readonly task: Task['type'];
  readonly examples: number;
  /** Of classes, labels or values. */
  readonly names: readonly string[];
  /** The target of classes, as the contract calls it. */
  readonly target: string;
  /**
   * Row-major, a number for each name: probabilities, or values in the contract's units.
   */
  readonly values: Float64Array;
  /** Of classes: the likeliest of each example. */
  readonly classes?: readonly string[];
  /** Of images: the file of each example, by its path in the folder. */
  readonly files?: readonly string[];
}

const quoted = (text: string): string =>
  /[",\r\n]|^\s|\s$/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** Nine digits: what a float32 holds. */
const numberText = (value: number): string => String(Number(value.toPrecision(9)));

/**
 * The columns `row` (from 1), the file where the examples are files, the class where there are
 * classes, and a probability for each class or label, or the predicted values.
 */
export const predictionsAsCsv = (found: Predictions): string => {
  const { names, values, classes, files, examples, task, target } = found;
  const columns = task === 'regression' ? names : names.map((name) => `probability ${name}`);
  const head = [
    'row',
    ...(files === undefined ? [] : ['file']),
    ...(classes === undefined ? [] : [target]),
    ...columns,
  ];
  const lines = [head.map(quoted).join(',')];
  for (let i = 0; i < examples; i++) {
    const numbers = names.map((_, j) => numberText(values[i * names.length + j] ?? 0));
    const own = classes === undefined ? [] : [quoted(classes[i] ?? '')];
    const file = files === undefined ? [] : [quoted(files[i] ?? '')];
    lines.push([String(i + 1), ...file, ...own, ...numbers].join(','));
  }
  return `${lines.join('\r\n')}\r\n`;
};
