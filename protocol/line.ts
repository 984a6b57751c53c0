/**
 * @module What a command prints of an event, for programs that print the same: a line of text and
 * how it is meant.
 */

/** `result` is what was asked for and is printed with `--quiet` too; `warn` goes to stderr. */
export type LineLevel = 'info' | 'result' | 'warn';
export type Line = readonly [level: LineLevel, text: string];

export const info = (text: string): Line => ['info', text];
export const result = (text: string): Line => ['result', text];
export const warning = (text: string): Line => ['warn', text];
