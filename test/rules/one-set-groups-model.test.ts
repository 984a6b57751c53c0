/**
 * @module Model check of the one-set rule in groups (specification of secure aggregation, sections
 * 2.0 and 5): all sequences of attempts over seven members in up to two groups, in any grouping.
 * It holds for the product's rules, and finds the attack where one of them is weakened. See
 * one-set-groups-search.ts for the adversary.
 */
import { describe, expect, it } from 'vitest';
import { mayAnswer, mayBeGrouped, mayUpload } from '../../protocol/rules/one-set.ts';
import { searchGroups, type GroupedRule } from './one-set-groups-search.ts';

const product: GroupedRule = {
  mayUpload: (view, { cohort }, group) =>
    mayUpload(view, cohort) === undefined && mayBeGrouped(view, group) === undefined,
  mayAnswer: (view, present, proposed) => mayAnswer(view, present, proposed) === undefined,
};

describe('everything in the span of the sums of groups is made of disjoint blocks that are large enough', () => {
  it.each([
    { colluders: 0, attempts: 3, dropouts: false },
    { colluders: 0, attempts: 2, dropouts: true },
    { colluders: 1, attempts: 2, dropouts: true },
  ])('%o', (sizes) => {
    const verdict = searchGroups({ rule: product, minimum: 3, ...sizes });
    expect(verdict.attack).toBeUndefined();
    expect(verdict.states).toBeGreaterThan(0);
    // Two groups of one attempt, at least.
    expect(verdict.deepest).toBeGreaterThanOrEqual(2);
  });
});

describe('the check finds the attack when the rule is weakened', () => {
  const at = { minimum: 3, colluders: 0, attempts: 2, dropouts: false };

  it('by the survivors of the whole cohort: another grouping of them is the very same set', () => {
    expect(searchGroups({ ...at, rule: product, asWhole: true }).attack).toBeDefined();
  });

  it('by what members have answered, without what they have renounced before they upload', () => {
    const rule: GroupedRule = { ...product, mayUpload: () => true };
    expect(searchGroups({ ...at, rule }).attack).toBeDefined();
  });

  it('by the size of each sum alone', () => {
    const rule: GroupedRule = { mayUpload: () => true, mayAnswer: () => true };
    expect(searchGroups({ ...at, rule }).attack).toBeDefined();
  });
});
