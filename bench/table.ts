/**
 * @module Reports the results of a benchmark: a line immediately, and the same row to
 * `bench/all.ts` if that started it. `bench/all.ts` prints all rows as one table at the end.
 */

/**
 * One measurement. A ratio is to something measured or counted in the same run, so that the machine
 * cancels.
 */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio?: { readonly value: number; readonly to: string };
}

const number = (value: number): string =>
  value.toLocaleString(
    'en',
    value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 },
  );

export const formatRow = ({ what, value, unit, ratio }: Row, width = 52): string =>
  `${what.padEnd(width)} ${number(value).padStart(12)} ${unit.padEnd(9)}` +
  (ratio === undefined ? '' : ` ${number(ratio.value).padStart(8)} x ${ratio.to}`);

export const report = (row: Row): void => {
  console.log(formatRow(row));
  process.send?.(row);
};
