/**
 * @module The lines that a run with a robust rule begins with: what the rule bears, and at which
 * price.
 */
import { plural } from '../plural.ts';
import type { Robust } from '../spec/settings/robust.ts';
import { chanceOfCapture, leastSummed, toleranceOf, UNLIKELY, type SummedRun } from './groups.ts';
import { tolerated } from './rule.ts';

const mixed = ({ bucketing, mixing }: Robust, vectors: string): string => {
  const before = [
    ...(bucketing === undefined ? [] : [`buckets of ${bucketing}`]),
    ...(mixing === undefined ? [] : ['means of the nearest']),
  ];
  return before.length === 0 ? vectors : `${before.join(' and ')} of ${vectors}`;
};

const drawsOf = (chance: number): string => {
  if (chance === 0) return 'in no draw';
  if (chance < UNLIKELY) return 'in less than one draw of a million';
  return `in ${Number((100 * chance).toPrecision(2))} % of draws; every attempt is one`;
};

/** "One draw in a million" stands for a probability below 2^-20. */
const describeGroups = (robust: Robust, size: number, n: number, run: SummedRun): string[] => {
  const { sizes, most, likely } = toleranceOf(robust, size, n);
  const [largest = size, smallest = size] = [sizes[0], sizes.at(-1)];
  const of = smallest === largest ? `${smallest}` : `${smallest} to ${largest}`;
  const more = likely > most ? `, ${likely} but for one draw in a million` : '';
  return [
    `rule       ${robust.rule.type} over ${mixed(robust, 'the means of groups')}: bears ${robust.byzantine} ` +
      `false of ${n} (at most ${most} wherever they are drawn${more}); groups count alike`,
    `groups     ${sizes.length} groups of ${of} that the beacon draws: the sum of EACH group is opened, of ${leastSummed(run)} updates at least`,
    `collusion  with ${plural(robust.byzantine, 'colluding member')} of ${n} a coordinator that lies opens a given member's update ${drawsOf(chanceOfCapture(sizes, robust.byzantine))}`,
  ];
};

/** Of a run with this rule. @param run its cohort with the minimum of survivors, and its size */
export const describeRobust = (
  robust: Robust,
  { secagg, cohort }: SummedRun & { readonly cohort: { readonly size: number } },
): readonly string[] => {
  const { rule, byzantine, groupSize } = robust;
  const { minimum, size } = cohort;
  if (secagg === 'masked' && groupSize !== undefined)
    return describeGroups(robust, groupSize, size, { secagg, cohort, robust });
  return [
    `rule       ${rule.type} over ${mixed(robust, 'single updates')}: bears ` +
      `${byzantine} false of ${minimum} (at most ${tolerated(robust, minimum)}); examples do not weigh`,
  ];
};
