/**
 * @module Tables as JSON: an object for each line (JSON lines), or a file that is one list of
 * objects. Names may come in any order; a name that a row lacks is missing there.
 */
import type { Table } from '../table.ts';
import { type Encoding, type Open, asUtf8, encodingOf } from './encoding.ts';
import { MAX_CELL, inFile, malformed } from './limits.ts';
import { type TypedOptions, createTypedTable } from './typed-table.ts';

/** Bytes of a file that is one list; it is parsed at once. */
const MAX_LIST = 2 ** 28;

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > 16 * MAX_CELL) throw malformed('a line of more than 16 MiB');
    yield* lines;
  }
  yield rest + decoder.decode();
}

const parse = (text: string, place: { readonly line?: number }): unknown => {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw malformed(`not JSON (${reason})`, place);
  }
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Rows {
  readonly add: (value: unknown, line?: number) => void;
  readonly finish: () => Table;
}

const createRows = (options: TypedOptions): Rows => {
  const table = createTypedTable(options);
  let rows = 0;
  return {
    add: (value, line) => {
      const place = { row: rows + 1, ...(line === undefined ? {} : { line }) };
      if (!isObject(value))
        throw malformed('expected an object with a value for each column, as {"age": 41}', place);
      for (const [name, each] of Object.entries(value)) {
        if (name === '') throw malformed('a name is empty', place);
        table.column(name)?.add(each, rows);
      }
      rows += 1;
      if (rows % 1024 === 0) table.check(rows);
    },
    finish: () => {
      table.check(rows);
      return table.finish(rows);
    },
  };
};

const readLines = async (
  chunks: AsyncIterable<Uint8Array>,
  options: TypedOptions,
): Promise<Table> => {
  const rows = createRows(options);
  let line = 0;
  for await (const text of linesOf(chunks)) {
    line += 1;
    if (text.trim() !== '') rows.add(parse(text, { line }), line);
  }
  return rows.finish();
};

const readList = async (
  chunks: AsyncIterable<Uint8Array>,
  options: TypedOptions,
): Promise<Table> => {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_LIST)
      throw malformed(`more than ${MAX_LIST} characters: write one object a line (.jsonl)`);
  }
  const value = parse(text + decoder.decode(), {});
  if (!Array.isArray(value))
    throw malformed(
      'expected a list of objects, or one object a line: in pandas to_json(orient="records")',
    );
  const rows = createRows(options);
  for (const each of value as readonly unknown[]) rows.add(each);
  return rows.finish();
};

/** The first character that is no space. */
const firstCharacter = async (chunks: AsyncIterable<Uint8Array>): Promise<string> => {
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true }).trimStart();
    if (text !== '') return text.charAt(0);
  }
  return '';
};

/** @throws FloeError `data_malformed` with row, line and column */
export const readJson = async (
  open: Open,
  source: string,
  options: TypedOptions & { readonly encoding?: string } = {},
): Promise<Table> => {
  try {
    let encoding: Encoding = { name: 'utf-8', from: 'mark' };
    for await (const chunk of open()) {
      const found = encodingOf(chunk, options.encoding);
      // JSON is UTF-8 or UTF-16: there is no other guess.
      encoding = { ...found, from: 'mark' };
      break;
    }
    const chunks = (): AsyncGenerator<Uint8Array> => asUtf8(open, encoding);
    const isList = (await firstCharacter(chunks())) === '[';
    const table = isList ? await readList(chunks(), options) : await readLines(chunks(), options);
    return { ...table, source };
  } catch (thrown) {
    throw inFile(source, thrown);
  }
};
