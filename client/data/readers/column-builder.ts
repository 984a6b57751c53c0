/**
 * @module One column of a text table while its cells come in. It is of numbers until a cell is
 * none; what it saw on the way (codes with leading zeros, other decimal signs, thousands
 * separators) is kept with the first cell of each kind, and decides at the end.
 */
import type { Column } from '../table.ts';
import { type Decimal, classify, isDoubtful, readNumber, seen } from './numbers.ts';

/** The first cell of a kind. */
export interface Sight {
  readonly row: number;
  readonly text: string;
}

/** How numbers are written in the file, and which texts stand for no value. */
export interface Reading {
  readonly decimal: Decimal;
  readonly thousands?: string;
  readonly missing: ReadonlySet<string>;
  /** Those of them that are numbers, such as -9. */
  readonly missingNumbers: ReadonlySet<number>;
}

export interface ColumnBuilder {
  readonly name: string;
  /** True: the cells are kept as texts. */
  readonly text: boolean;
  readonly add: (bytes: Uint8Array, from: number, to: number, row: number) => void;
  /** First cells of each kind; absent: none. */
  readonly sights: {
    word?: Sight;
    code?: Sight;
    other?: Sight;
    doubtful?: Sight;
    grouped?: Sight;
    /** A number that is certain of the file's decimal sign. */
    certain?: Sight;
    /** A number with it that could be thousands. */
    unsure?: Sight;
    missing?: Sight;
    /** The first number. */
    number?: Sight;
  };
  readonly counts: { numbers: number; words: number; missing: number; dates: number };
  /** @param rows how many were added */
  readonly finish: (rows: number) => Column;
}

const FIRST_ROOM = 16;
/** A dash that stands for no value, unless the column has a plus too. */
const DASH = -2;

const ISO_DATE =
  /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/u;
const LOCAL_DATE = /^\d{1,2}([./])\d{1,2}\1\d{2,4}(?: \d{1,2}:\d{2}(?::\d{2})?)?$/u;

export const isDate = (text: string): boolean => ISO_DATE.test(text) || LOCAL_DATE.test(text);

/** The text of some bytes; ASCII, the common case, without a decoder. */
const decoder = new TextDecoder();
export const textOf = (bytes: Uint8Array, from: number, to: number): string => {
  if (to - from > 24) return decoder.decode(bytes.subarray(from, to)).normalize('NFC');
  let text = '';
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) return decoder.decode(bytes.subarray(from, to)).normalize('NFC');
    text += String.fromCharCode(byte);
  }
  return text;
};

const grown = <T extends Float64Array | Int32Array>(values: T): T => {
  const larger = new (values.constructor as new (length: number) => T)(2 * values.length);
  larger.set(values);
  return larger;
};

interface Texts {
  readonly codes: Int32Array;
  readonly texts: readonly string[];
}

/** True and false, which programs write as True, TRUE or true, in one way. */
export const withBooleans = ({ codes, texts }: Texts): Texts => {
  const low = texts.map((text) => text.toLowerCase());
  if (texts.length === 0 || !low.every((text) => text === 'true' || text === 'false'))
    return { codes, texts };
  const own = [...new Set(low)];
  const places = low.map((text) => own.indexOf(text));
  return { codes: codes.map((code) => (code < 0 ? code : (places[code] as number))), texts: own };
};

/** Texts of a column, each stored once. */
const createTexts = ({ missing, missingNumbers }: Reading) => {
  const texts: string[] = [];
  const known = new Map<string, number>();
  let codes = new Int32Array(FIRST_ROOM);
  const codeOf = (text: string): number => {
    const found = known.get(text);
    if (found !== undefined) return found;
    known.set(text, texts.length);
    texts.push(text);
    return texts.length - 1;
  };
  return {
    add: (text: string, row: number): void => {
      if (row >= codes.length) codes = grown(codes);
      codes[row] =
        text === '-' && missing.has(text)
          ? DASH
          : missing.has(text) || (text !== '' && missingNumbers.has(Number(text)))
            ? -1
            : codeOf(text);
    },
    finish: (name: string, rows: number): Column => {
      const dash = known.has('+') ? codeOf('-') : -1;
      const own = codes.slice(0, rows);
      for (let i = 0; i < rows; i += 1) if (own[i] === DASH) own[i] = dash;
      return { type: 'text', name, ...withBooleans({ codes: own, texts }) };
    },
  };
};

/** @param text keeps the cells as texts from the start */
export const createColumnBuilder = (
  name: string,
  reading: Reading,
  text: boolean,
): ColumnBuilder => {
  const { decimal, thousands, missing, missingNumbers } = reading;
  const hasMissingNumbers = missingNumbers.size > 0;
  const sign = decimal.charCodeAt(0);
  const sights: ColumnBuilder['sights'] = {};
  const counts = { numbers: 0, words: 0, missing: 0, dates: 0 };
  const texts = text ? createTexts(reading) : undefined;
  let values = new Float64Array(text ? 0 : FIRST_ROOM);

  const put = (value: number, row: number): void => {
    if (row >= values.length) values = grown(values);
    values[row] = value;
  };

  /** A cell that is not of the common form of numbers; gives its value, NaN where it has none. */
  const look = (cell: string, row: number): number => {
    if (
      missing.has(cell) ||
      (hasMissingNumbers && missingNumbers.has(Number(cell.replace(',', '.'))))
    ) {
      counts.missing += 1;
      if (cell !== '') sights.missing ??= { row, text: cell };
      return Number.NaN;
    }
    const found = classify(cell, decimal, thousands);
    if (found.type === 'number') {
      counts.numbers += 1;
      if (found.certain) sights.certain ??= { row, text: cell };
      return found.value;
    }
    if (found.type === 'word') {
      counts.words += 1;
      if (isDate(cell)) counts.dates += 1;
    }
    sights[found.type] ??= { row, text: cell };
    return Number.NaN;
  };

  const add = (bytes: Uint8Array, from: number, to: number, row: number): void => {
    const value = readNumber(bytes, from, to, sign);
    if (!Number.isNaN(value) && !(hasMissingNumbers && missingNumbers.has(value))) {
      counts.numbers += 1;
      if (seen.fraction > 0) {
        if (isDoubtful()) sights.unsure ??= { row, text: textOf(bytes, from, to) };
        else sights.certain ??= { row, text: textOf(bytes, from, to) };
      }
      if (texts === undefined) put(value, row);
      else texts.add(textOf(bytes, from, to), row);
      return;
    }
    const cell = textOf(bytes, from, to);
    const looked = look(cell, row);
    if (texts === undefined) put(looked, row);
    else texts.add(cell, row);
  };

  return {
    name,
    text,
    sights,
    counts,
    add,
    finish: (rows) =>
      texts?.finish(name, rows) ?? { type: 'number', name, values: values.slice(0, rows) },
  };
};
