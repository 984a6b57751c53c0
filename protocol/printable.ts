/**
 * @module Text of other parties in a line of output.
 */

/** Nothing in it moves the cursor of a terminal, hides or reorders text, or begins a line. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
