/**
 * @module Adds tables of flags to a commander command, and parses the values that only commands
 * take.
 */
import { Option, type Command } from 'commander';
import { parseFingerprint } from '../client/connect/fingerprint.ts';
import { parseCoins } from '../protocol/net/cost.ts';
import { isObjectId } from '../protocol/net/object-id.ts';
import { parsePatience, parseSpan, parseTime } from '../protocol/net/time-text.ts';
import { parsed, type Flag, type FlagTable, type Read } from '../protocol/spec/flag.ts';
import { flagOf } from '../protocol/spec/setting.ts';

export * from '../protocol/spec/flag.ts';

/** An address or object id. */
export const objectId: Read<string> = parsed('0x and 64 hex digits', (text) =>
  isObjectId(text) ? text.toLowerCase() : undefined,
);
/** MIST. */
export const sui: Read<bigint> = parsed(
  'an amount of SUI, 0 or more, with at most 9 digits after the point',
  parseCoins,
);
/** Milliseconds. */
export const span: Read<number> = parsed('a duration such as 90s, 15m, 12h or 30d', parseSpan);
/** Milliseconds; a number without a unit is seconds. */
export const patience: Read<number> = parsed(
  'a time such as 90s, 10m or 2h, of at most 30 days',
  parsePatience,
);
/** As {@link patience}, or 0 for none. */
export const patienceOrNone: Read<number> = parsed(
  '0, or a time such as 90s, 10m or 2h, of at most 30 days',
  (text) => (text === '0' ? 0 : parsePatience(text)),
);
/** Milliseconds since 1970. */
export const instant: Read<number> = parsed(
  'a time with its zone, such as 2027-01-31T12:00:00Z',
  parseTime,
);

/** SHA-256 of a certificate. */
export const fingerprint: Read<string> = parsed('64 hex digits', parseFingerprint);

/** Two numbers in order, or one of them twice; undefined where they are out of order. */
const range = (form: RegExp, text: string): readonly [number, number] | undefined => {
  const [, a, b = a] = form.exec(text) ?? [];
  return Number(a) <= Number(b) ? [Number(a), Number(b)] : undefined;
};

/** `2/5` as zero-based index 1 of 5. */
export const shard = parsed('i/n with 1 <= i <= n', (text) => {
  const [part = 0, count = 0] = range(/^(\d{1,6})\/(\d{1,6})$/u, text) ?? [];
  return part >= 1 ? { index: part - 1, count } : undefined;
});
/** `3-9` or `4`: attempts, both included. */
export const attempts = parsed('attempts such as 3-9 or 4', (text) => {
  const found = range(/^(\d{1,6})(?:-(\d{1,6}))?$/u, text);
  return found && { first: found[0], last: found[1] };
});

const optionsOf = (name: string, flag: Flag<unknown>): readonly Option[] => {
  const { help, placeholder, read, negatable } = flag;
  const long = flagOf(name, {});
  if (negatable !== undefined) {
    // commander gives `--no-x` alone the value true where it is absent, so `--x` comes first.
    const [plain, negated] = [new Option(`--${long}`, help), new Option(`--no-${long}`, help)];
    (negatable === 'shown' ? negated : plain).hideHelp();
    return [plain, negated];
  }
  if (placeholder === undefined) return [new Option(`--${long}`, help)];
  const option = new Option(`--${long} ${placeholder}`, help).makeOptionMandatory(
    flag.required === true,
  );
  const one = (given: string): unknown => (read === undefined ? given : read(`--${long}`, given));
  if (flag.repeated === true)
    option.argParser((given: string, before: readonly unknown[] | undefined) => [
      ...(before ?? []),
      one(given),
    ]);
  else if (read !== undefined) option.argParser(one);
  return flag.standard === undefined ? [option] : [option.default(flag.standard)];
};

/** Adds the flags of a table; a flag is its name in kebab case. */
export const withFlags = (command: Command, table: FlagTable): Command => {
  for (const [name, flag] of Object.entries(table))
    for (const option of optionsOf(name, flag))
      command.addOption(flag.group === undefined ? option : option.helpGroup(`${flag.group}:`));
  return command;
};
