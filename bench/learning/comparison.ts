/**
 * @module A table of what was measured beside what was published: in each cell the measured figure,
 * the published one in parentheses where there is one, and their ratio.
 */

export interface Compared {
  /** Undefined: not run. */
  readonly measured?: number | undefined;
  /** Undefined: none was found. Infinity: the paper says that it was not reached. */
  readonly published?: number | undefined;
}

export interface Comparison {
  readonly title: string;
  /** Where the published figures are from: paper, table, page. */
  readonly source: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly Compared[] }[];
  /** Digits after the point. */
  readonly digits: number;
  /** Written for infinity, such as `100+`: of the measured figures, of the published ones. */
  readonly beyond?: readonly [string, string];
}

const figure = (value: number, digits: number, beyond: string): string =>
  Number.isFinite(value) ? value.toFixed(digits) : beyond;

const textOf = (
  { measured, published }: Compared,
  digits: number,
  [here, there]: readonly [string, string],
): string => {
  const found = measured === undefined ? '-' : figure(measured, digits, here);
  if (published === undefined) return found;
  const beside = `${found} (${figure(published, digits, there)})`;
  const ratio = (measured ?? Number.NaN) / published;
  return Number.isFinite(ratio) && ratio > 0 ? `${beside} ${ratio.toFixed(2)}x` : beside;
};

/** Aligned columns; the first one holds the names of the rows. */
export const formatComparison = (table: Comparison): string => {
  const { title, source, columns, rows, digits, beyond = ['-', '-'] } = table;
  const texts = rows.map(({ name, cells }) => [
    name,
    ...cells.map((cell) => textOf(cell, digits, beyond)),
  ]);
  const lines = [['', ...columns], ...texts];
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const body = lines.map((line) =>
    line
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  return [title, `in parentheses: ${source}`, ...body].join('\n');
};
