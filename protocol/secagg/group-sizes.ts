/**
 * @module The sizes of the groups that a cohort is cut into, and their thresholds: see groups.ts.
 */

import { MIN_COHORT } from '../spec/bounds.ts';

/** How many groups of at least `size` a cohort of `n` makes; one of fewer makes none. */
export const groupCount = (n: number, size: number): number => Math.floor(n / size);

/**
 * The sizes of the groups of a cohort of `n`, the larger ones first: they differ by one at most.
 *
 * @param size members of a group, at least
 */
export const groupSizes = (n: number, size: number): readonly number[] => {
  const count = groupCount(n, size);
  return Array.from({ length: count }, (_, g) => Math.floor(n / count) + (g < n % count ? 1 : 0));
};

/**
 * The sizes of the groups that `n` are cut into, of which a cohort invites some, the larger ones
 * first: those of a full cohort, then more of its smallest. Any groups of them, as many as a cohort
 * has, fit into it; the rest of `n` is in none.
 *
 * @param most members of a cohort
 */
export const groupSizesFor = (n: number, size: number, most: number): readonly number[] => {
  const full = groupSizes(Math.min(n, most), size);
  const smallest = full.at(-1) ?? size;
  const left = n - full.reduce((a, b) => a + b, 0);
  return [...full, ...Array.from({ length: Math.floor(left / smallest) }, () => smallest)];
};

/** Members of a group, at most: of a cohort that is just too small for another group. */
export const largestGroup = (size: number): number => 2 * size - 1;

/** Updates in a sum of groups of this size, at least. */
export const leastOfGroups = (size: number): number => Math.max(MIN_COHORT, groupThreshold(size));

/** t of a group: two thirds and one, as in the complete graph; of one or two members, all. */
export const groupThreshold = (size: number): number => Math.floor((2 * size) / 3) + 1;
