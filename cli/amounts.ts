/**
 * @module Amounts of coins, durations and points in time as people write them.
 */
import { usage } from './flags.ts';

const DECIMALS = 9;
const UNIT = 10n ** BigInt(DECIMALS);
/** Far above all SUI there is. */
const MAX_DIGITS = 11;

/** `0.25` SUI as MIST: exact, at most nine digits after the point. */
export const sui =
  (flag: string) =>
  (text: string): bigint => {
    const match = /^(\d+)(?:\.(\d+))?$/u.exec(text);
    const [whole = '', part = ''] = [match?.[1], match?.[2]];
    if (match === null || whole.length > MAX_DIGITS || part.length > DECIMALS)
      throw usage(flag, `an amount of SUI with at most ${DECIMALS} digits after the point`, text);
    return BigInt(whole) * UNIT + BigInt(part.padEnd(DECIMALS, '0'));
  };

const SPANS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const MAX_SPAN_MS = 100 * 366 * 86_400_000;

/** `90s`, `15m`, `12h`, `30d` as milliseconds. */
export const duration =
  (flag: string) =>
  (text: string): number => {
    const match = /^(\d{1,9})([smhd])$/u.exec(text);
    const ms = Number(match?.[1]) * (SPANS[match?.[2] ?? ''] ?? Number.NaN);
    if (!(ms > 0 && ms <= MAX_SPAN_MS))
      throw usage(flag, 'a duration such as 90s, 15m, 12h or 30d', text);
    return ms;
  };

/** `2027-01-31T12:00:00Z` as milliseconds since 1970; the zone must be said. */
export const instant =
  (flag: string) =>
  (text: string): number => {
    const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/u;
    const ms = form.test(text) ? Date.parse(text) : Number.NaN;
    if (!(ms >= 0)) throw usage(flag, 'a time with its zone, such as 2027-01-31T12:00:00Z', text);
    return ms;
  };

/** `3-9` or `4`: rounds, both included. */
export const roundRange =
  (flag: string) =>
  (text: string): { readonly first: number; readonly last: number } => {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/u.exec(text);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (!(first <= last)) throw usage(flag, 'rounds such as 3-9 or 4', text);
    return { first, last };
  };
