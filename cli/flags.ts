/**
 * @module Readers of flag values. Each refuses what it does not understand with the error `usage`,
 * naming the flag, what was expected and what came.
 */
import { readFile, stat } from 'node:fs/promises';
import { FloeError } from '../protocol/errors.ts';
import { fromHex } from '../protocol/bytes.ts';

export const usage = (flag: string, expected: string, got: string): FloeError =>
  new FloeError('usage', `${flag}: expected ${expected}, got ${JSON.stringify(got)}`);

/** A whole number in [min, max]. */
export const wholeNumber =
  (flag: string, min: number, max: number) =>
  (text: string): number => {
    const value = /^-?\d+$/u.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < min || value > max)
      throw usage(flag, `a whole number from ${min} to ${max}`, text);
    return value;
  };

const UNITS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };

/** A time of at most 30 days, such as `90s`, `10m`, `2h` or seconds, in milliseconds. */
export const duration =
  (flag: string) =>
  (text: string): number => {
    const [, digits, unit = ''] = /^(\d{1,7})([smh]?)$/u.exec(text) ?? [];
    const value = Number(digits) * (UNITS[unit] as number);
    if (!(value >= 1000 && value <= 30 * 24 * 3_600_000))
      throw usage(flag, 'a time such as 90s, 10m or 2h, of at most 30 days', text);
    return value;
  };

/** A finite number with `above < value <= max`. */
export const decimal =
  (flag: string, above: number, max: number) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || value <= above || value > max)
      throw usage(flag, `a number above ${above}, at most ${max}`, text);
    return value;
  };

export const oneOf =
  <const Choice extends string>(flag: string, choices: readonly Choice[]) =>
  (text: string): Choice => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw usage(flag, `one of ${choices.join(', ')}`, text);
    return found;
  };

/** 32 bytes in hex, with or without `0x`. */
export const hexKey =
  (flag: string) =>
  (text: string): Uint8Array => {
    const hex = text.toLowerCase().replace(/^0x/u, '');
    if (!/^[0-9a-f]{64}$/u.test(hex)) throw usage(flag, '64 hex digits', text);
    return fromHex(hex);
  };

/** A flag that may be given several times. */
export const collect =
  <Item>(read: (text: string) => Item) =>
  (text: string, before: readonly Item[] = []): readonly Item[] => [...before, read(text)];

/** `2/5` as zero-based index 1 of 5. */
export const shardOf =
  (flag: string) =>
  (text: string): { readonly index: number; readonly count: number } => {
    const match = /^(\d{1,6})\/(\d{1,6})$/u.exec(text);
    const [index, count] = [Number(match?.[1]), Number(match?.[2])];
    if (!(index >= 1 && index <= count)) throw usage(flag, 'i/n with 1 <= i <= n', text);
    return { index: index - 1, count };
  };

/**
 * Reads a file that a flag names.
 *
 * @throws FloeError `file_not_found`, `usage` when it is larger than `maxBytes` or not a file
 */
export const readInput = async (
  flag: string,
  path: string,
  maxBytes: number,
): Promise<Uint8Array> => {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw usage(flag, `a file of at most ${maxBytes} bytes`, path);
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof FloeError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new FloeError('file_not_found', `${flag}: no ${path}`, {}, { cause });
    throw new FloeError('usage', `${flag}: cannot read ${path}: ${message}`, {}, { cause });
  }
};
