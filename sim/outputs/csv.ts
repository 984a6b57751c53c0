/**
 * @module CSV as RFC 4180 writes it, with `\n`: fields with a comma, a quote or a line break are
 * quoted; a missing value is an empty field. Text that a spreadsheet would run as a formula gets an
 * apostrophe before it (OWASP, "CSV Injection"): names of classes and of participants come from
 * others. Numbers are written as they are, negative ones too.
 */

export type Cell = string | number | boolean | undefined;

/** What spreadsheets take for the begin of a formula, also after white space. */
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r]/u;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu;

const defused = (text: string): string =>
  FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;

const field = (cell: Cell): string => {
  const text = typeof cell === 'string' ? defused(cell) : String(cell ?? '');
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvOf = (head: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  [head, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
