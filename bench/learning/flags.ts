/**
 * @module Flags of the benches of learning: which cells, how many seeds, where results are kept.
 */

/** @throws Error naming the flag */
export const wholeOf = (flag: string, text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`--${flag}: expected a whole number from 1, got ${text}`);
};

/** Names separated by commas, each one of `known`. @throws Error naming the flag */
export const namesOf = <Name extends string>(
  flag: string,
  text: string,
  known: Readonly<Record<Name, unknown>>,
): readonly Name[] => {
  const names = text.split(',');
  const unknown = names.find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return names as Name[];
  throw new Error(`--${flag}: expected some of ${Object.keys(known).join()}, got ${unknown}`);
};

/** Options that every bench of cells has, for `parseArgs`. */
export const cellOptions = (state: string) =>
  ({
    seeds: { type: 'string', default: '1' },
    /** The file of finished cells. */
    state: { type: 'string', default: state },
    /** Processor seconds after which no further cell is begun. */
    budget: { type: 'string' },
  }) as const;

/** @throws Error naming the flag */
export const budgetOf = (text: string | undefined): number =>
  text === undefined ? Infinity : wholeOf('budget', text);
