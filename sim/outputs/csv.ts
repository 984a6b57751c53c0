/**
 * @module CSV as RFC 4180 writes it, with `\n`: fields with a comma, a quote or a line break are
 * quoted; a missing value is an empty field.
 */

export type Cell = string | number | boolean | undefined;

const field = (cell: Cell): string => {
  const text = cell === undefined ? '' : String(cell);
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvOf = (head: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  [head, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
