/**
 * @module The form of a CSV text by its first rows: separator, decimal sign, header. A form is
 * recognised only where the rows leave no doubt; else the error names the option that says it.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { createCells } from './cells.ts';
import { textOf } from './column-builder.ts';
import { quoted } from './limits.ts';
import { type Decimal, classify } from './numbers.ts';

export const DELIMITERS = {
  ',': 'comma',
  ';': 'semicolon',
  '\t': 'tab',
  '|': 'pipe',
  ' ': 'space',
};
export type Delimiter = keyof typeof DELIMITERS;

export interface CsvForm {
  readonly delimiter: string;
  readonly decimal: Decimal;
  readonly header: boolean;
  /** Names of the columns, of the header or c1 to cn. */
  readonly names: readonly string[];
  /** Lines before the table: comments, and `sep=;` as Excel writes it. */
  readonly skip: number;
  /** Which columns look like texts. */
  readonly texts: readonly boolean[];
  /** What was recognised, for the user. */
  readonly notes: readonly string[];
}

export interface FormOptions {
  readonly delimiter?: string | undefined;
  readonly decimal?: Decimal | undefined;
  readonly thousands?: string | undefined;
  readonly header?: boolean | undefined;
  readonly missing: ReadonlySet<string>;
}

/** Rows that the form is recognised by; of wide tables fewer, at least {@link LEAST_ROWS}. */
const SAMPLE_ROWS = 200;
const SAMPLE_CELLS = 200_000;
const LEAST_ROWS = 3;

const unsure = (message: string): FloeError => new FloeError('data_malformed', message);

/** The first complete rows of a text as one separator cuts it, up to quotes that do not fit. */
const rowsOf = (
  sample: Uint8Array,
  delimiter: number,
  skip: number,
  complete: boolean,
): string[][] => {
  const rows: string[][] = [];
  let row: string[] = [];
  let count = 0;
  const done = new Error('enough');
  const cells = createCells(
    delimiter,
    {
      next: 0,
      cell: (bytes, from, to) => row.push(textOf(bytes, from, to)),
      row: () => {
        rows.push(row);
        count += row.length;
        row = [];
        const enough = count >= SAMPLE_CELLS && rows.length >= LEAST_ROWS;
        if (enough || rows.length >= SAMPLE_ROWS) throw done;
      },
    },
    skip,
  );
  try {
    cells.feed(sample);
    if (complete) cells.end();
  } catch (thrown) {
    // What is wrong is refused by its row when the whole text is read.
    if (thrown !== done && !(thrown instanceof FloeError)) throw thrown;
  }
  return rows;
};

const codeOfDelimiter = (delimiter: string): number => {
  const code = delimiter.charCodeAt(0);
  if (delimiter.length !== 1 || code > 0x7f || '"\r\n'.includes(delimiter))
    throw new FloeError(
      'usage',
      `--delimiter: expected one character, or comma, semicolon, tab, pipe or space, got ${quoted(delimiter)}`,
    );
  return code;
};

/** The character of a separator that is named or written. @throws FloeError `usage` */
export const delimiterOf = (given: string): string => {
  const named = Object.entries(DELIMITERS).find(([, name]) => name === given)?.[0];
  const written = named ?? (given === '\\t' ? '\t' : given);
  codeOfDelimiter(written);
  return written;
};

const isNumeric = (cell: string): boolean => {
  const { type } = classify(cell, '.');
  return type !== 'word';
};

interface Candidate {
  readonly delimiter: string;
  readonly rows: readonly (readonly string[])[];
  readonly width: number;
  /** Fraction of the rows that have this width. */
  readonly even: number;
  /** Fraction of the cells that hold no other separator. */
  readonly clean: number;
}

const candidateOf = (delimiter: string, rows: readonly (readonly string[])[]): Candidate => {
  const widths = new Map<number, number>();
  for (const { length } of rows) widths.set(length, (widths.get(length) ?? 0) + 1);
  const [width, count] = [...widths].toSorted((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [1, 0];
  const others = Object.keys(DELIMITERS).filter((each) => each !== delimiter && each !== ' ');
  let cells = 0;
  let clean = 0;
  for (const row of rows)
    for (const cell of row.slice(0, 1000)) {
      cells += 1;
      // A decimal comma is part of a number.
      if (isNumeric(cell) || !others.some((other) => cell.includes(other))) clean += 1;
    }
  return {
    delimiter,
    rows,
    width,
    even: rows.length === 0 ? 0 : count / rows.length,
    clean: cells === 0 ? 0 : clean / cells,
  };
};

const describe = (delimiter: string): string =>
  DELIMITERS[delimiter as Delimiter] ?? quoted(delimiter);

/** The separator that cuts all rows alike, into most cells that hold no other separator. */
const chooseDelimiter = (candidates: readonly Candidate[]): Candidate => {
  const several = candidates.filter(({ width }) => width > 1);
  const even = several.filter((each) => each.even === 1);
  if (even.length > 0) {
    const written = even.filter(({ delimiter }) => delimiter !== ' ');
    // Spaces separate only where nothing else does.
    const [best, next] = (written.length > 0 ? written : even).toSorted(
      (a, b) => b.clean - a.clean || b.width - a.width,
    );
    if (best !== undefined && next?.clean === best.clean && next.width === best.width)
      throw unsure(
        `the separator is ${describe(best.delimiter)} or ${describe(next.delimiter)}: say --delimiter`,
      );
    if (
      best !== undefined &&
      (best.delimiter !== ' ' ||
        best.rows.slice(best.rows.length > 1 ? 1 : 0).every((row) => row.some(isNumeric)))
    )
      return best;
  }
  // Rows of different lengths: nearly all rows agree on the right separator, and the rest is
  // refused by its row.
  const nearly = several
    .filter((each) => each.even >= 0.5 && each.delimiter !== ' ')
    .toSorted((a, b) => b.even - a.even || b.width - a.width)[0];
  return nearly ?? (candidates[0] as Candidate);
};

/** Lines at the start that are no rows. */
const preludeOf = (sample: Uint8Array): { lines: string[]; separator?: string } => {
  const start = new TextDecoder().decode(sample.subarray(0, 65_536));
  const lines: string[] = [];
  for (const line of start.split(/\r\n|\n|\r/u)) {
    const separator =
      /^"?sep=(.)"?$/iu.exec(line.trimEnd())?.[1] ?? (/^sep=\t$/iu.test(line) ? '\t' : undefined);
    if (lines.length === 0 && separator !== undefined) return { lines: [line], separator };
    if (!line.startsWith('#')) break;
    lines.push(line);
  }
  return { lines };
};

/** `c1` to `cn`. */
const numbered = (width: number): string[] => Array.from({ length: width }, (_, i) => `c${i + 1}`);

const decimalOf = (rows: readonly (readonly string[])[], delimiter: string): Decimal => {
  if (delimiter === ',') {
    // Quoted cells may hold decimal commas.
    const hasPoint = rows.some((row) => row.some((cell) => /^[+-]?\d*\.\d+$/u.test(cell)));
    if (hasPoint) return '.';
  }
  let [commas, points] = [0, 0];
  for (const row of rows)
    for (const cell of row) {
      const found = classify(cell, ',');
      if (found.type === 'number' && cell.includes(',')) commas += found.certain ? 1000 : 1;
      else if (found.type === 'other') points += 1000;
      else if (found.type === 'doubtful') points += 1;
    }
  return commas > points ? ',' : '.';
};

/** Whether a column is of numbers below its first row, and what the rows say of the first. */
const headerOf = (
  rows: readonly (readonly string[])[],
  decimal: Decimal,
  missing: ReadonlySet<string>,
): boolean => {
  const [first = [], ...below] = rows;
  const isNumber = (cell: string): boolean => classify(cell, decimal).type !== 'word';
  if (below.length === 0) return !first.some(isNumber);
  let [names, data, strange, repeated] = [0, 0, 0, 0];
  for (const [i, cell] of first.entries()) {
    const values = below.map((row) => row[i] ?? '').filter((each) => !missing.has(each));
    if (values.length === 0) continue;
    const numbers = values.every(isNumber);
    if (numbers && !missing.has(cell)) {
      if (isNumber(cell)) data += 1;
      else names += 1;
    } else if (!numbers && !missing.has(cell)) {
      if (values.includes(cell)) repeated += 1;
      else strange += 1;
    }
  }
  if (names > 0) {
    if (data + repeated === 0 || repeated === 0) return true;
    // A word stands over numbers, and elsewhere the first row is like the others.
    throw unsure(
      `the first row (${first.slice(0, 5).map(quoted).join(', ')}) has words and values: say --header yes or no`,
    );
  }
  const steps = first.every((cell, i) => cell === String(i) || cell === String(i + 1));
  const doubtful =
    (data > 0 && steps && first.length > 1) || (data > 0 && strange > 0 && repeated === 0);
  if (doubtful || (repeated > 0 && strange > 0 && data === 0))
    throw unsure(
      `the first row (${first.slice(0, 5).map(quoted).join(', ')}) may be names or values: say --header yes or no`,
    );
  return data === 0 && repeated === 0;
};

/**
 * The form of a text by a sample of its start.
 * @param complete whether the sample is the whole text
 * @throws FloeError `data_malformed` where it has no row, or where two forms are possible
 */
export const formOf = (sample: Uint8Array, complete: boolean, options: FormOptions): CsvForm => {
  const notes: string[] = [];
  const { lines, separator } = preludeOf(sample);
  const given = options.delimiter === undefined ? separator : delimiterOf(options.delimiter);
  const attempts = given === undefined ? Object.keys(DELIMITERS) : [given];
  let skip = lines.length;
  const read = (from: number): Candidate[] =>
    attempts.flatMap((delimiter) => {
      const rows = rowsOf(sample, delimiter.charCodeAt(0), from, complete);
      return rows.length === 0 ? [] : [candidateOf(delimiter, rows)];
    });
  let candidates = read(skip);
  if (candidates.length === 0 && skip > 0 && separator === undefined) {
    skip = 0;
    candidates = read(skip);
  }
  if (candidates.length === 0) {
    // Read once more for the error: quotes that nothing closes, or no row at all.
    if (complete) {
      const cells = createCells(
        (given ?? ',').charCodeAt(0),
        { next: 1, cell: () => 0, row: () => undefined },
        skip,
      );
      cells.feed(sample);
      cells.end();
    }
    throw unsure('expected a table, found no row');
  }
  let chosen = chooseDelimiter(candidates);
  const last = lines.at(-1);
  if (separator === undefined && last !== undefined && skip > 0) {
    // A header may begin with the sign of comments.
    const again = rowsOf(sample, chosen.delimiter.charCodeAt(0), skip - 1, complete);
    if (chosen.width > 1 && again[0]?.length === chosen.width) {
      skip -= 1;
      chosen = candidateOf(chosen.delimiter, again);
    }
  }
  if (skip > 0 && separator === undefined) notes.push(`lines that begin with #: ${skip} left out`);
  if (given === undefined && chosen.width === 1 && chosen.clean < 0.5)
    throw unsure('no separator cuts the rows alike: say --delimiter, or mend the rows');
  const { delimiter, rows } = chosen;
  const [first = []] = rows;
  if (delimiter !== ',' && options.delimiter === undefined && first.length > 1)
    notes.push(`separator: ${describe(delimiter)}`);
  const decimal = options.decimal ?? decimalOf(rows, delimiter);
  if (decimal === ',' && options.decimal === undefined) notes.push('decimal sign: comma');
  const header = options.header ?? headerOf(rows, decimal, options.missing);
  if (!header)
    notes.push(
      `no header: the columns are named c1 to c${first.length}` +
        (options.header === undefined ? ' (the first row looks like the others)' : ''),
    );
  const below = header ? rows.slice(1) : rows;
  const names = header
    ? first.map((name, i) => (name === '' ? `c${i + 1}` : name))
    : numbered(first.length);
  return {
    delimiter,
    decimal,
    header,
    names,
    skip,
    texts: names.map((_, i) =>
      below.some((row) => {
        const cell = row[i] ?? '';
        if (options.missing.has(cell)) return false;
        const { type } = classify(cell, decimal, options.thousands);
        return type === 'word' || type === 'code';
      }),
    ),
    notes,
  };
};
