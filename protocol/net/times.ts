/**
 * @module Points in time and spans of it, as messages show them.
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
