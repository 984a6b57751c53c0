/**
 * @module Points in time and spans of it, as messages show them and as people write them.
 */

/** A point in time to the minute: `2027-01-31 12:00 UTC`. */
export const showTime = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The largest unit that gives at least two, with one digit: `14 days`, `90 minutes`. */
export const showSpan = (ms: number): string => {
  const units = [
    ['days', 86_400_000],
    ['hours', 3_600_000],
    ['minutes', 60_000],
  ] as const;
  const [name, size] = units.find(([, unit]) => ms >= 2 * unit) ?? (['seconds', 1_000] as const);
  return `${Number((ms / size).toFixed(1))} ${name}`;
};

const SPANS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const MAX_SPAN_MS = 100 * 366 * 86_400_000;

/** `90s`, `15m`, `12h`, `30d` as milliseconds; undefined for another text. */
export const parseSpan = (text: string): number | undefined => {
  const match = /^(\d{1,9})([smhd])$/u.exec(text);
  const ms = Number(match?.[1]) * (SPANS[match?.[2] ?? ''] ?? Number.NaN);
  return ms > 0 && ms <= MAX_SPAN_MS ? ms : undefined;
};

/** `2027-01-31T12:00:00Z` as milliseconds since 1970; undefined for another text or no zone. */
export const parseTime = (text: string): number | undefined => {
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/u;
  const ms = form.test(text) ? Date.parse(text) : Number.NaN;
  return ms >= 0 ? ms : undefined;
};

const MAX_PATIENCE_MS = 30 * 86_400_000;

/** `90s`, `10m`, `2h` or seconds as milliseconds, at most 30 days; undefined for another text. */
export const parsePatience = (text: string): number | undefined => {
  if (!/^\d+[smh]?$/u.test(text)) return undefined;
  const ms = parseSpan(/\d$/u.test(text) ? `${text}s` : text);
  return ms !== undefined && ms <= MAX_PATIENCE_MS ? ms : undefined;
};
