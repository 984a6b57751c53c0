/**
 * @module What a command prints with `--json`: events, one a line, then the result or the error.
 */

const linesOf = (stdout: string): readonly unknown[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

/** The types of the events, in order. */
export const eventsOf = (stdout: string): readonly unknown[] =>
  linesOf(stdout).flatMap((line) => {
    const { event } = line as { readonly event?: unknown };
    return event === undefined ? [] : [event];
  });

/** The last line. */
export const resultOf = (stdout: string): unknown => linesOf(stdout).at(-1);
