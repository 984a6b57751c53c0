/**
 * @module Buffered rounds in words, for the first lines of a run.
 */
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

/** @param members of the run: all of them train at once */
export const describeBuffer = (
  { size, maxStaleness }: Buffer,
  members: number,
): readonly string[] => [
  `buffered   a round takes the first ${size} updates that are ready, at most ${plural(maxStaleness, 'commit')} old`,
  ...(members < 2 * size
    ? []
    : [
        `           ${members} members train at once, so up to ${Math.ceil(members / size)} rounds add steps from one model: if the model swings, lower --server-learning-rate`,
      ]),
];
