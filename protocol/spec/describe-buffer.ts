/**
 * @module Buffered rounds in words, for the first lines of a run.
 */
import { bufferedRateOf, type StrategySpec } from '../algorithm/registry.ts';
import { plural } from '../plural.ts';
import type { Buffer } from './settings/buffer.ts';

/** Mean age in commits; 0 of no updates. @param ages one number of each update of a round */
export const meanStaleness = (ages: readonly number[]): number =>
  ages.length === 0 ? 0 : ages.reduce((sum, age) => sum + age, 0) / ages.length;

/** How old the updates of a round were; empty where rounds are not buffered. */
export const stalenessText = (ages: readonly number[] | undefined): string => {
  const [least, most] = [ages?.[0], ages?.at(-1)];
  if (ages === undefined || least === undefined || most === undefined) return '';
  return `staleness ${least} to ${most}, mean ${meanStaleness(ages).toFixed(1)}`;
};

/** The server's rate, and where it comes from; empty for a strategy without such a rate. */
const rateLines = (strategy: StrategySpec, size: number, members: number): readonly string[] => {
  const rate = bufferedRateOf(strategy, { members, buffer: size });
  if (rate === undefined) return [];
  const { name, value, usual, buffered } = rate;
  const from = `${members} members train at once, so the steps from one model are in about ${Number((members / size).toFixed(1))} rounds`;
  return value === buffered
    ? [`           ${name} ${value} by default: ${from} (${usual} without a buffer)`]
    : [`           ${name} ${value} as it was given; ${from}, and the default is ${buffered}`];
};

/** @param members of the run: all of them train at once */
export const describeBuffer = (
  { size, maxStaleness }: Buffer,
  { members, strategy }: { readonly members: number; readonly strategy: StrategySpec },
): readonly string[] => [
  `buffered   a round takes the first ${size} updates that are ready, at most ${plural(maxStaleness, 'commit')} old`,
  ...(members === size ? [] : rateLines(strategy, size, members)),
];
