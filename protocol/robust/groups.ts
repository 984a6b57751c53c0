/**
 * @module Robust rules in a masked run: they run over the means of groups that the beacon draws,
 * each of whose sums is opened (secure-aggregation, section 5). What the size of a group says of a
 * run, and how many liars it bears: a false update spoils its whole group.
 */
import {
  groupCount,
  groupSizes,
  groupThreshold,
  largestGroup,
  leastOfGroups,
} from '../secagg/group-sizes.ts';
import type { Robust } from '../spec/settings/robust.ts';
import { tolerated } from './rule.ts';

/** The fields of a specification that say how its updates are summed. */
export interface SummedRun {
  readonly secagg: 'masked' | 'none';
  readonly robust?: Robust | undefined;
  readonly cohort: { readonly minimum: number };
}

/** Members of a group, at least; undefined where a cohort is summed as a whole. */
export const groupSizeOf = ({ secagg, robust }: SummedRun): number | undefined =>
  secagg === 'masked' ? robust?.groupSize : undefined;

/**
 * Whether the groups are drawn before anybody registers: see rules/group-draw.ts. Earlier runs draw
 * them over the frozen cohort.
 */
export const drawsInvited = (run: SummedRun): boolean =>
  groupSizeOf(run) !== undefined && run.robust?.drawn === 'invited';

/** Updates in a sum that the run opens, at least: survivors of a group, or of the cohort. */
export const leastSummed = (run: SummedRun): number => {
  const size = groupSizeOf(run);
  return size === undefined ? run.cohort.minimum : leastOfGroups(size);
};

/** Updates in the sum of one group, at least. @param drawn members that the group was drawn with */
export const leastOfGroup = (run: SummedRun, drawn: number): number =>
  Math.max(leastSummed(run), groupThreshold(drawn));

/** Updates in one sum of a cohort of `n`, at most: what the ring must hold. */
export const mostSummed = (run: SummedRun, n: number): number => {
  const size = groupSizeOf(run);
  return size === undefined ? n : largestGroup(size);
};

/** Groups whose sums a round needs, at least, for the rule to bear what the run asks of it. */
export const neededGroups = (robust: Pick<Robust, 'rule' | 'bucketing' | 'byzantine'>): number => {
  let groups = 1;
  while (tolerated(robust, groups) < robust.byzantine) groups += 1;
  return groups;
};

/**
 * Members of a cohort, at least.
 *
 * @param isKept its groups were drawn before, and may have lost members since
 */
export const leastCohort = (run: SummedRun, isKept = false): number => {
  const size = groupSizeOf(run);
  if (size === undefined || run.robust === undefined) return run.cohort.minimum;
  const each = isKept ? leastSummed(run) : size;
  return Math.max(run.cohort.minimum, each * neededGroups(run.robust));
};

/** C(n, k) in float64, exact to its rounding. */
const choose = (n: number, k: number): number => {
  let value = 1;
  for (let i = 1; i <= k; i += 1) value = (value * (n - k + i)) / i;
  return value;
};

/**
 * The probability that liars who are drawn into groups at random are in more groups than the rule
 * bears. The draws in which they touch j groups are counted over the groups, one after the other.
 *
 * @param sizes of the groups @param liars among all their members @param bears groups
 * @returns 0 where each could have a group of its own
 */
export const chanceOfMore = (sizes: readonly number[], liars: number, bears: number): number => {
  const members = sizes.reduce((a, b) => a + b, 0);
  if (liars <= bears) return 0;
  if (liars >= members) return sizes.length > bears ? 1 : 0;
  // ways[j][f]: draws of f liars from the groups so far that touch j of them.
  let ways = [[1, ...Array.from({ length: liars }, () => 0)]];
  for (const size of sizes) {
    const next = Array.from({ length: ways.length + 1 }, (_, j) => [
      ...(ways[j] ?? Array.from({ length: liars + 1 }, () => 0)),
    ]);
    for (const [j, row] of ways.entries())
      for (const [f, count] of row.entries())
        for (let own = 1; own <= Math.min(size, liars - f); own += 1)
          next[j + 1]![f + own]! += count * choose(size, own);
    ways = next;
  }
  const more = ways.slice(bears + 1).reduce((sum, row) => sum + row[liars]!, 0);
  return more / choose(members, liars);
};

/** C(n, k), 0 where there are not so many. */
const ways = (n: number, k: number): number => (k > n ? 0 : choose(n, k));

/**
 * Colluders among the others of a group of m with which a coordinator that lies can open the update
 * of one member: t - 1 where the sum of t is that member and they, 2t - m where it collects both
 * kinds of shares of that member. See docs/security.md.
 */
export const colludersNeeded = (m: number): number =>
  Math.min(groupThreshold(m) - 1, 2 * groupThreshold(m) - m);

/**
 * The probability that one draw puts a given honest member into a group with so many colluders that
 * a coordinator that lies can open its update: the hypergeometric tail, exact to float64.
 *
 * @param sizes of the groups @param colluders among all their members but this one
 */
export const chanceOfCapture = (sizes: readonly number[], colluders: number): number => {
  const others = sizes.reduce((a, b) => a + b, -1);
  const known = Math.min(colluders, others);
  return sizes.reduce((sum, m) => {
    let caught = 0;
    for (let own = colludersNeeded(m); own <= Math.min(known, m - 1); own += 1)
      caught += ways(known, own) * ways(others - known, m - 1 - own);
    // The member is in this group with probability m / n.
    return sum + ((m / (others + 1)) * caught) / choose(others, m - 1);
  }, 0);
};

/** What a cohort of `n` in groups bears. */
export interface GroupedTolerance {
  readonly sizes: readonly number[];
  /** Liars that the rule bears wherever the beacon puts them. */
  readonly most: number;
  /** The largest number of liars of which more than the rule bears is less likely than 2^-20. */
  readonly likely: number;
}

/** "One in a million". */
export const UNLIKELY = 2 ** -20;

/** @param size members of a group, at least */
export const toleranceOf = (
  robust: Pick<Robust, 'rule' | 'bucketing'>,
  size: number,
  n: number,
): GroupedTolerance => {
  const sizes = groupSizes(n, size);
  const most = tolerated(robust, groupCount(n, size));
  let likely = most;
  while (likely < n && chanceOfMore(sizes, likely + 1, most) < UNLIKELY) likely += 1;
  return { sizes, most, likely };
};
