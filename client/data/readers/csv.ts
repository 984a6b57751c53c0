/**
 * @module Tables as CSV, as they exist in the world. Separator, decimal sign, header and encoding
 * are recognised and noted, or refused with the option that says them; a value that could be read
 * in two ways is refused with its row and column. The text is streamed, at most {@link MAX_PASSES}
 * times.
 */

import { type Column, type Table, createTable } from '../table.ts';
import { createCells } from './cells.ts';
import { type ColumnBuilder, createColumnBuilder, isDate } from './column-builder.ts';
import { certainOf, refusalOfColumn } from './column-refusal.ts';
import { type CsvForm, formOf } from './csv-form.ts';
import { type Encoding, NotUtf8, type Open, asUtf8, encodingOf } from './encoding.ts';
import { foreignFormat } from './foreign.ts';
import { MAX_VALUES, checkSize, inFile, malformed, quoted, someNames } from './limits.ts';
import type { Decimal } from './numbers.ts';

export interface CsvOptions {
  /** One character, or `comma`, `semicolon`, `tab`, `pipe`, `space`. Default: recognised. */
  readonly delimiter?: string;
  /** Default: recognised. */
  readonly decimal?: Decimal;
  /** Default: numbers with thousands separators are refused. */
  readonly thousands?: ',' | '.' | ' ' | "'";
  /** Such as `windows-1252`, a label of the WHATWG Encoding Standard. Default: recognised. */
  readonly encoding?: string;
  /** Whether the first row holds the names; columns without names are `c1` to `cn`. */
  readonly header?: boolean;
  /** Texts that stand for no value, beside the empty one. Default: {@link MISSING}. */
  readonly missing?: readonly string[];
  /** Columns whose values stay texts, whatever they look like. */
  readonly text?: readonly string[];
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** Default 2^28. */
  readonly maxValues?: number;
}

export const MISSING = 'NA|N/A|n/a|#N/A|<NA>|NaN|nan|NULL|Null|null|?|-'.split('|');

/** One for the form, one for columns that turn out to be texts, one for the encoding, and one. */
const MAX_PASSES = 5;
const SAMPLE_LINES = 250;
const MIB = 2 ** 20;
/** Two rows of the widest table must be in it. */
const SAMPLE_BYTES = 64 * MIB;

const LF = 0x0a;
const CR = 0x0d;

interface Sample {
  readonly bytes: Uint8Array;
  readonly complete: boolean;
}

/** The start of a text: {@link SAMPLE_LINES} lines, or 8 MiB with two. */
const sampleOf = async (chunks: AsyncIterable<Uint8Array>): Promise<Sample> => {
  const parts: Uint8Array[] = [];
  let [length, lines] = [0, 0];
  const joined = (complete: boolean): Sample => {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { bytes, complete };
  };
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    for (const byte of chunk) if (byte === LF || byte === CR) lines += 1;
    if (lines >= SAMPLE_LINES || (length >= 8 * MIB && lines >= 4) || length >= SAMPLE_BYTES)
      return joined(false);
  }
  return joined(true);
};

/** Bytes of a file's start, for its encoding and format. */
const startOf = async (open: Open): Promise<Uint8Array> => {
  let start = new Uint8Array(0);
  for await (const chunk of open()) {
    const joined = new Uint8Array(start.length + chunk.length);
    joined.set(start);
    joined.set(chunk, start.length);
    start = joined;
    if (start.length >= 4096) break;
  }
  return start;
};

/** What one pass over the text gives. */
interface Pass {
  readonly rows: number;
  readonly columns: readonly ColumnBuilder[];
}

interface Plan {
  readonly form: CsvForm;
  readonly options: CsvOptions;
  readonly missing: ReadonlySet<string>;
  readonly missingNumbers: ReadonlySet<number>;
  /** Names of columns that are texts. */
  readonly texts: ReadonlySet<string>;
  readonly drop: ReadonlySet<string>;
}

const checkNames = (
  { names, header }: CsvForm,
  drop: ReadonlySet<string>,
  options: CsvOptions,
): void => {
  const known = new Set(names);
  for (const [option, list] of [
    ['drop', options.drop],
    ['text', options.text],
  ] as const)
    for (const name of list ?? [])
      if (!known.has(name))
        throw malformed(
          `${option}: no column ${name}; ${header ? 'the header has' : 'without a header there are'} ${someNames(names)}`,
        );
  const found = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    if (drop.has(name)) continue;
    const before = found.get(name);
    if (before !== undefined)
      throw malformed(
        `column ${name} occurs twice, as number ${before + 1} and ${i + 1}: rename one of them`,
        { column: name },
      );
    found.set(name, i);
  }
  if (found.size === 0) throw malformed('every column is left out');
};

const passOver = async (chunks: AsyncIterable<Uint8Array>, plan: Plan): Promise<Pass> => {
  const { form, missing, missingNumbers } = plan;
  const { thousands, maxValues = MAX_VALUES } = plan.options;
  const reading = {
    decimal: form.decimal,
    missing,
    missingNumbers,
    ...(thousands === undefined ? {} : { thousands }),
  };
  const width = form.names.length;
  const columns = form.names.map((name, i) => {
    if (plan.drop.has(name)) return undefined;
    return createColumnBuilder(name, reading, form.texts[i] === true || plan.texts.has(name));
  });
  const kept = columns.filter((column) => column !== undefined);
  checkSize(0, width);
  let at = 0;
  let rows = form.header ? -1 : 0;
  const most = Math.floor(maxValues / kept.length);
  const sink = {
    get next() {
      return rows + 1;
    },
    cell: (bytes: Uint8Array, from: number, to: number): void => {
      if (rows >= 0) columns[at]?.add(bytes, from, to, rows);
      at += 1;
    },
    row: (line: number): void => {
      if (at !== width)
        throw malformed(
          `expected ${width} values, got ${at}: check separators and quotation marks in this line`,
          { row: rows + 1, line },
        );
      at = 0;
      rows += 1;
      if (rows > most) checkSize(rows, kept.length, maxValues);
    },
  };
  const cells = createCells(form.delimiter.charCodeAt(0), sink, form.skip);
  for await (const chunk of chunks) {
    const nul = chunk.indexOf(0);
    cells.feed(nul < 0 ? chunk : chunk.subarray(0, nul));
    if (nul >= 0)
      throw malformed('a zero byte: this is no text file', { row: Math.max(1, rows + 1) });
  }
  cells.end();
  return { rows: Math.max(0, rows), columns: kept };
};

/** Columns that were read as numbers and are texts. */
const becomeTexts = ({ columns }: Pass): string[] =>
  columns.flatMap(({ name, text, sights }) =>
    !text && (sights.word !== undefined || sights.code !== undefined) ? [name] : [],
  );

/** Whether the decimal sign that was taken is the other one after all. */
const isOtherDecimal = ({ columns }: Pass): boolean => {
  const numbers = columns.filter(({ text }) => !text);
  return (
    numbers.some(({ sights }) => sights.other !== undefined) &&
    numbers.every(({ sights }) => sights.certain === undefined)
  );
};

/** Notes on columns, for the user; of many alike only some are named. */
const notesOf = ({ columns }: Pass, forced: ReadonlySet<string>): string[] => {
  const notes: string[] = [];
  const note = (text: string, names: readonly string[]): void => {
    if (names.length > 0) notes.push(`${text}: ${someNames(names)}`);
  };
  const own = columns.filter(({ name }) => !forced.has(name));
  note(
    'codes with leading zeros, or of more digits than a number holds, stay texts',
    own.filter(({ sights }) => sights.code !== undefined).map(({ name }) => name),
  );
  note(
    'dates stay texts; leave them out or turn them into numbers, such as days',
    own
      .filter(({ counts }) => counts.dates > 0 && counts.dates === counts.words + counts.numbers)
      .map(({ name }) => name),
  );
  for (const { name, counts, sights } of own)
    if (sights.word !== undefined && counts.numbers > 2 * counts.words && !isDate(sights.word.text))
      notes.push(
        `column ${name} is text: ${counts.numbers} values are numbers, and row ${sights.word.row + 1} is ${quoted(sights.word.text)}`,
      );
  note(
    'taken as missing',
    columns.flatMap(({ name, sights }) =>
      sights.missing === undefined ? [] : [`${quoted(sights.missing.text)} in ${name}`],
    ),
  );
  return notes;
};

/** A last column without name and values: each line ends with a separator. */
const isEmptyEnd = (columns: readonly Column[], form: CsvForm): boolean => {
  const last = columns.at(-1);
  return (
    form.header &&
    columns.length > 1 &&
    last?.type === 'number' &&
    last.name === `c${form.names.length}` &&
    last.values.every(Number.isNaN)
  );
};

/** @throws FloeError of {@link readCsv}; NotUtf8 where the encoding is another one */
const readWith = async (open: Open, encoding: Encoding, options: CsvOptions): Promise<Table> => {
  const missing = new Set(['', ...(options.missing ?? MISSING)]);
  const missingNumbers = new Set(
    [...missing]
      .filter((text) => text !== '')
      .map(Number)
      .filter((value) => !Number.isNaN(value)),
  );
  const text = (): AsyncGenerator<Uint8Array> => asUtf8(open, encoding);
  const { bytes, complete } = await sampleOf(text());
  const { delimiter, decimal, thousands, header } = options;
  let form = formOf(bytes, complete, { delimiter, decimal, thousands, header, missing });
  const drop = new Set(options.drop);
  checkNames(form, drop, options);
  const forced = new Set(options.text);
  const texts = new Set(forced);
  for (let passes = 1; ; passes += 1) {
    const pass = await passOver(text(), { form, options, missing, missingNumbers, texts, drop });
    if (pass.rows === 0) throw malformed('expected a header and at least one row');
    if (passes < MAX_PASSES) {
      if (decimal === undefined && isOtherDecimal(pass)) {
        const other = form.decimal === '.' ? ',' : '.';
        form = formOf(bytes, complete, { delimiter, decimal: other, thousands, header, missing });
        form = {
          ...form,
          notes: [...form.notes, `decimal sign: ${other === ',' ? 'comma' : 'point'}`],
        };
        passes += 1;
        continue;
      }
      const found = becomeTexts(pass);
      if (found.length > 0) {
        for (const name of found) texts.add(name);
        continue;
      }
    }
    const given = { decimal, thousands, certain: certainOf(pass.columns) };
    for (const column of pass.columns) {
      const refusal = refusalOfColumn(column, form, given);
      if (refusal !== undefined) throw refusal;
    }
    const columns = pass.columns.map((column) => column.finish(pass.rows));
    const notes = [...form.notes, ...notesOf(pass, forced)];
    if (isEmptyEnd(columns, form)) {
      columns.pop();
      notes.push('each line ends with a separator: the empty column is left out');
    }
    return createTable(columns, { notes });
  }
};

/**
 * Reads a table. `open` is called for each pass.
 * @throws FloeError `data_malformed` with row and column; `usage` for an option that cannot be
 */
export const readCsv = async (
  open: Open,
  source: string,
  options: CsvOptions = {},
): Promise<Table> => {
  try {
    const start = await startOf(open);
    const foreign = foreignFormat(start);
    if (foreign !== undefined) throw malformed(foreign);
    const encoding = encodingOf(start, options.encoding);
    const named = (table: Table, name: string): Table => ({
      ...table,
      source,
      notes: [
        ...(name === 'utf-8' || options.encoding !== undefined ? [] : [`encoding: ${name}`]),
        ...(table.notes ?? []),
      ],
    });
    try {
      return named(await readWith(open, encoding, options), encoding.name);
    } catch (thrown) {
      if (!(thrown instanceof NotUtf8)) throw thrown;
      const western: Encoding = { name: 'windows-1252', from: 'bytes' };
      return named(
        await readWith(open, western, options),
        'not UTF-8, taken for Windows-1252 (Latin-1)',
      );
    }
  } catch (thrown) {
    throw inFile(source, thrown);
  }
};
