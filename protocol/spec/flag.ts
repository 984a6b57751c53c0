/**
 * @module Flags as data, for any parser of command lines: help text, placeholder and reader. A
 * reader refuses a text with the error `usage`, naming the flag, what was expected and what came.
 */
import { fromHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { readFlag } from './read-settings.ts';
import type { SettingKind } from './setting.ts';

/** @param label the flag with its dashes, or the name of an argument */
export type Read<Value> = (label: string, text: string) => Value;

export interface Flag<Value> {
  readonly help: string;
  /** Such as `<n>`; a flag without a placeholder takes no value. */
  readonly placeholder?: string;
  /** Of one text; without it the text is the value. */
  readonly read?: Read<unknown>;
  readonly repeated?: boolean;
  readonly required?: boolean;
  /** The value where the flag is not given. */
  readonly standard?: unknown;
  /**
   * Of a flag without a value that wins over a file either way: whether `--x` is `shown` in help
   * and `--no-x` is not, or the reverse.
   */
  readonly negatable?: 'shown' | 'hidden';
  /** Heading in help; without it the flag is an option of the command. */
  readonly group?: string;
  /** For the type alone. */
  readonly of?: Value;
}

/** By names in camel case; a flag is its name in kebab case. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;
export type FlagValues<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Flag<infer Value> ? Value : never;
};
/** The table whose flags have the values of `Flags`. */
export type TableOf<Flags> = { readonly [Name in keyof Flags]-?: Flag<Flags[Name]> };

type Optional<Value> = Flag<Value | undefined>;

export const usage = (label: string, expected: string, got: string): FloeError =>
  new FloeError('usage', `${label}: expected ${expected}, got ${JSON.stringify(got)}`);

export const on = (help: string): Optional<boolean> => ({ help });
export const text = (placeholder: string, help: string): Optional<string> => ({
  help,
  placeholder,
});
export const value = <Value>(
  placeholder: string,
  help: string,
  read: Read<Value>,
): Optional<Value> => ({ help, placeholder, read });

/** A value of a kind of setting, with its range and its errors. */
export const kindOf =
  <Value>(kind: SettingKind): Read<Value> =>
  (label, given) =>
    readFlag(kind, label, given) as Value;
/** A whole number in [min, max]. */
export const whole = (help: string, min: number, max: number): Optional<number> =>
  value('<n>', help, kindOf<number>({ type: 'integer', min, max }));
/** What a parser makes of a text. @param parse gives undefined for a text that it refuses */
export const parsed =
  <Value>(expected: string, parse: (text: string) => Value | undefined): Read<Value> =>
  (label, given) => {
    const found = parse(given);
    if (found === undefined) throw usage(label, expected, given);
    return found;
  };

export const required = <Value>(flag: Flag<Value>): Flag<NonNullable<Value>> =>
  ({ ...flag, required: true }) as Flag<NonNullable<Value>>;
export const standard = <Value>(
  flag: Flag<Value>,
  given: NonNullable<Value>,
): Flag<NonNullable<Value>> =>
  ({ ...flag, standard: given }) as unknown as Flag<NonNullable<Value>>;
/** May be given several times; the values are listed. */
export const repeated = <Value>(flag: Flag<Value>): Optional<readonly NonNullable<Value>[]> =>
  ({ ...flag, repeated: true }) as unknown as Optional<readonly NonNullable<Value>[]>;

/** 32 bytes in hex, with or without `0x`. */
export const hash: Read<Uint8Array> = parsed('64 hex digits', (given) => {
  const hex = given.toLowerCase().replace(/^0x/u, '');
  return /^[0-9a-f]{64}$/u.test(hex) ? fromHex(hex) : undefined;
});

/** `0.1..8`, both ends included. */
export const bounds =
  (read: Read<number>): Read<{ readonly min: number; readonly max: number }> =>
  (label, given) => {
    const [min = '', max = '', ...rest] = given.split('..');
    if (rest.length > 0 || max === '') throw usage(label, 'MIN..MAX', given);
    return { min: read(label, min), max: read(label, max) };
  };
