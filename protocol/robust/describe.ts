/**
 * @module The line that a run with a robust rule begins with: what the rule bears, and at which
 * price.
 */
import type { Robust } from '../spec/settings/robust.ts';
import { tolerated } from './rule.ts';

/** @param minimum survivors of a round, at least */
export const describeRobust = (robust: Robust, minimum: number): string => {
  const { rule, byzantine, bucketing, mixing } = robust;
  const before = [
    ...(bucketing === undefined ? [] : [`buckets of ${bucketing}`]),
    ...(mixing === undefined ? [] : ['means of the nearest']),
  ].join(' and ');
  return (
    `rule       ${rule.type} over ${before === '' ? 'single updates' : before}: bears ` +
    `${byzantine} false of ${minimum} (at most ${tolerated(robust, minimum)}); examples do not weigh`
  );
};
