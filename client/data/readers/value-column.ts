/**
 * @module One column of a file that has types of its own (JSON, Parquet, Arrow) while its values
 * come in. They end as the columns that the same table as CSV gives: numbers, or texts.
 */
import type { Column } from '../table.ts';
import { isDate, withBooleans } from './column-builder.ts';
import { malformed, quoted } from './limits.ts';
import { classify } from './numbers.ts';

export interface ValueColumn {
  readonly name: string;
  readonly add: (value: unknown, row: number) => void;
  readonly finish: (rows: number) => Column;
  /** After `finish`. */
  readonly notes: () => readonly string[];
}

const FIRST_ROOM = 16;
const DAY = 'T00:00:00.000Z';

/** The text of a point in time: the day alone where the time is midnight. */
const timeText = (time: Date): string => {
  if (Number.isNaN(time.getTime())) throw malformed('a time beyond all calendars');
  const text = time.toISOString();
  return text.endsWith(DAY) ? text.slice(0, -DAY.length) : text;
};

/** A value as a number or a text; undefined: missing. */
const plainOf = (value: unknown): number | string | undefined => {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return undefined;
    if (!Number.isFinite(value))
      throw malformed('the value is infinite: write a number or nothing');
    return value;
  }
  if (typeof value === 'bigint') {
    const number = Number(value);
    // Larger ones are codes, which a double would round.
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'string') return value.trim().normalize('NFC');
  if (typeof value === 'boolean') return String(value);
  if (value instanceof Date) return timeText(value);
  throw malformed('the value is a list, an object or bytes: leave the column out (--drop-column)');
};

/** Texts that occur, and codes that point to them. */
const compact = (
  codes: Int32Array,
  texts: readonly string[],
  used: ReadonlySet<number>,
): { codes: Int32Array; texts: readonly string[] } => {
  if (used.size === texts.length) return { codes, texts };
  const kept = [...used].toSorted((a, b) => a - b);
  const places = new Map(kept.map((code, i) => [code, i]));
  return {
    codes: codes.map((code) => places.get(code) ?? -1),
    texts: kept.map((code) => texts[code] as string),
  };
};

/** @param missing texts that stand for no value */
export const createValueColumn = (
  name: string,
  missing: ReadonlySet<string>,
  text = false,
): ValueColumn => {
  let numbers = new Float64Array(FIRST_ROOM).fill(Number.NaN);
  let codes: Int32Array | undefined;
  const texts: string[] = [];
  const known = new Map<string, number>();
  const notes: string[] = [];
  let strings = 0;

  const codeOf = (value: string): number => {
    const found = known.get(value);
    if (found !== undefined) return found;
    known.set(value, texts.length);
    texts.push(value);
    return texts.length - 1;
  };
  const room = (row: number): void => {
    if (row < numbers.length) return;
    const larger = new Float64Array(Math.max(2 * numbers.length, row + 1)).fill(Number.NaN);
    larger.set(numbers);
    numbers = larger;
    if (codes === undefined) return;
    const more = new Int32Array(larger.length).fill(-1);
    more.set(codes);
    codes = more;
  };
  /** From the first text on, the column is of texts; numbers before it become texts. */
  const toTexts = (): Int32Array => {
    codes ??= Int32Array.from(numbers, (value) =>
      Number.isNaN(value) ? -1 : codeOf(String(value)),
    );
    return codes;
  };
  if (text) toTexts();

  const add = (value: unknown, row: number): void => {
    let plain: number | string | undefined;
    try {
      plain = plainOf(value);
    } catch (thrown) {
      throw malformed(thrown instanceof Error ? thrown.message : String(thrown), {
        row: row + 1,
        column: name,
      });
    }
    room(row);
    if (plain === undefined || (typeof plain === 'string' && plain !== '-' && missing.has(plain)))
      return;
    if (typeof plain === 'string') {
      strings += 1;
      toTexts()[row] = codeOf(plain);
    } else if (codes === undefined) numbers[row] = plain;
    else codes[row] = codeOf(String(plain));
  };

  const finish = (rows: number): Column => {
    room(rows);
    const dash = known.get('-');
    // A dash is a value beside a plus.
    const own = codes?.slice(0, rows);
    if (own !== undefined && dash !== undefined && missing.has('-') && !known.has('+'))
      for (let i = 0; i < rows; i += 1) if (own[i] === dash) own[i] = -1;
    if (own === undefined) return { type: 'number', name, values: numbers.slice(0, rows) };
    const used = new Set(own);
    used.delete(-1);
    const values = texts.map((each, i) => {
      if (!used.has(i)) return Number.NaN;
      const found = classify(each, '.');
      return found.type === 'number' ? found.value : Number.NaN;
    });
    if (
      !text &&
      used.size > 0 &&
      [...used].every((code) => !Number.isNaN(values[code] as number))
    ) {
      if (strings > 0) notes.push(`column ${name}: numbers that the file has as texts are numbers`);
      return {
        type: 'number',
        name,
        values: Float64Array.from(own, (code) =>
          code < 0 ? Number.NaN : (values[code] as number),
        ),
      };
    }
    const dates = [...used].every((code) => isDate(texts[code] as string));
    const word = texts.findIndex((each, i) => used.has(i) && classify(each, '.').type === 'word');
    if (used.size > 0 && dates) notes.push(`column ${name}: dates stay texts`);
    else if (word >= 0 && values.filter((value) => !Number.isNaN(value)).length > 2)
      notes.push(
        `column ${name} is text: row ${own.indexOf(word) + 1} is ${quoted(texts[word] as string)}`,
      );
    return { type: 'text', name, ...withBooleans(compact(own, texts, used)) };
  };

  return { name, add, finish, notes: () => notes };
};
