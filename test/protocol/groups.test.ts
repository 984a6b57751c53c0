/**
 * What a run in groups bears, against the enumeration of all draws; what it refuses before it
 * begins; and what it says.
 */
import { describe, expect, it } from 'vitest';
import { describeRobust } from '../../protocol/robust/describe.ts';
import {
  chanceOfCapture,
  chanceOfMore,
  colludersNeeded,
  leastCohort,
  leastSummed,
  mostSummed,
  neededGroups,
  toleranceOf,
} from '../../protocol/robust/groups.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';
import { specOfSettings } from '../../protocol/spec/spec-of-settings.ts';
import { testIdentity, testSpec } from '../support/run.ts';

const MEDIAN = { rule: { type: 'median' } } as const;

/** All ways to choose `count` of these. */
const choices = (from: readonly number[], count: number): number[][] =>
  count === 0
    ? [[]]
    : from.flatMap((one, i) => choices(from.slice(i + 1), count - 1).map((rest) => [one, ...rest]));

describe('the tolerated number of liars', () => {
  it('the chance that they are in more groups than the rule bears is that of all draws', () => {
    for (const sizes of [
      [3, 3, 3],
      [4, 3, 3],
      [2, 5, 1, 3],
    ]) {
      const groupOf = sizes.flatMap((size, g) => Array.from({ length: size }, () => g));
      const members = [...groupOf.keys()];
      for (const liars of [0, 1, 2, 3, 5])
        for (const bears of [0, 1, 2]) {
          const all = choices(members, liars);
          const more = all.filter((one) => new Set(one.map((i) => groupOf[i])).size > bears);
          expect(chanceOfMore(sizes, liars, bears)).toBeCloseTo(more.length / all.length, 12);
        }
    }
    expect(chanceOfMore([3, 3], 6, 1)).toBe(1);
  });

  it('the chance that a group holds enough colluders around one member is that of all draws', () => {
    for (const sizes of [
      [3, 3, 3],
      [4, 3, 3],
      [6, 5],
    ]) {
      const groupOf = sizes.flatMap((size, g) => Array.from({ length: size }, () => g));
      const places = [...groupOf.keys()];
      for (const colluders of [0, 1, 2, 3, 4]) {
        // The member has any place, the colluders any of the others.
        const all = places.flatMap((own) =>
          choices(
            places.filter((i) => i !== own),
            colluders,
          ).map((bad) => {
            const beside = bad.filter((i) => groupOf[i] === groupOf[own]).length;
            return beside >= colludersNeeded(sizes[groupOf[own]!]!);
          }),
        );
        const caught = all.filter(Boolean).length;
        expect(chanceOfCapture(sizes, colluders)).toBeCloseTo(caught / all.length, 12);
      }
    }
    expect([3, 4, 5, 6, 7, 16].map(colludersNeeded)).toEqual([2, 2, 3, 4, 3, 6]);
    // As docs/security.md has it.
    const of = (size: number) =>
      chanceOfCapture(toleranceOf({ rule: { type: 'median' } }, size, 100).sizes, 10);
    expect(of(5)).toBeCloseTo(0.002893, 6);
    expect(of(16)).toBeCloseTo(0.000259, 6);
  });

  it('100 in groups of 5: the median bears 9 spoiled groups, Krum 8, and chance adds few', () => {
    expect(toleranceOf(MEDIAN, 5, 100)).toMatchObject({ most: 9, likely: 9 });
    expect(toleranceOf({ rule: { type: 'krum' } }, 5, 100).most).toBe(8);
    // Twelve liars are in ten groups or more but for one draw in four.
    expect(chanceOfMore(toleranceOf(MEDIAN, 5, 100).sizes, 12, 9)).toBeGreaterThan(0.5);
    expect(toleranceOf({ ...MEDIAN, bucketing: 2 }, 5, 100).most).toBe(4);
  });

  it('groups and members that a round needs follow from it', async () => {
    const robust = { ...MEDIAN, byzantine: 5, groupSize: 5 } as const;
    expect(neededGroups(robust)).toBe(11);
    const run = { secagg: 'masked', robust, cohort: { minimum: 5 } } as const;
    expect([leastSummed(run), mostSummed(run, 100)]).toEqual([4, 9]);
    expect([leastCohort(run), leastCohort(run, true)]).toEqual([55, 44]);
    expect(leastSummed({ ...run, secagg: 'none' })).toBe(5);
  });
});

describe('before the run', () => {
  const settings = { cohort: 100, minimum: 5, aggregation: { type: 'median' } } as const;
  const specOf = async (over: object) => {
    const { id, coordinator, model } = await testSpec();
    return specOfSettings({ ...settings, ...over }, { id, coordinator, model });
  };

  it.each([
    [{}, 'aggregation: median compares single updates, and under masks there is only their sum'],
    [
      { groupSize: 5, byzantine: 10 },
      'bears 9 of the 20 groups that groupSize 5 makes of cohort (100), got 10',
    ],
    [{ groupSize: 101 }, 'bears 0 of the 0 groups'],
    [
      { groupSize: 5, mask: false, minimum: 50 },
      'groupSize: groups are opened one by one under masks',
    ],
    [{ groupSize: 5, aggregation: undefined }, 'groupSize: it is part of a rule'],
    [{ groupSize: 2 }, 'groupSize'],
  ])('%o is refused', async (over, message) => {
    await expect(specOf(over)).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringContaining(message),
    });
  });

  it('batches take no groups', async () => {
    const keys = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => (await testIdentity(`m${i}`)).publicKey),
    );
    const base = await testSpec();
    const robust = { ...MEDIAN, byzantine: 1, groupSize: 3 } as const;
    expect(() =>
      makeRunSpec({
        id: base.id,
        coordinator: base.coordinator,
        model: base.model,
        cohort: { size: 12, minimum: 12, overSelect: 1 },
        members: { type: 'closed', keys },
        selection: 'batches',
        robust,
      }),
    ).toThrow(/batches keep every sum to whole batches/u);
  });

  it('says what it bears and what each group opens', () => {
    const robust = { ...MEDIAN, byzantine: 5, groupSize: 5 } as const;
    const lines = describeRobust(robust, {
      secagg: 'masked',
      cohort: { minimum: 5, size: 103 },
    });
    expect(lines).toEqual([
      'rule       median over the means of groups: bears 5 false of 103 (at most 9 wherever they are drawn); groups count alike',
      'groups     20 groups of 5 to 6 that the beacon draws: the sum of EACH group is opened, of 4 updates at least',
      "collusion  with 5 colluding members of 103 a coordinator that lies opens a given member's update in 0.019 % of draws; every attempt is one",
    ]);
  });
});
