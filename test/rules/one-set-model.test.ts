/**
 * @module Model check of the one-set rule (specification of secure aggregation, section 2.0): all
 * sequences of up to four survivor sets over seven members, every number of colluders. It holds for
 * the product's rules, and finds the attack as soon as one of them is weakened, which shows that it
 * looks. See one-set-search.ts for the adversary.
 */
import { describe, expect, it } from 'vitest';
import { mayAnswer, mayUpload, setName } from '../../protocol/rules/one-set.ts';
import { threshold } from '../../protocol/secagg/index.ts';
import { MEMBERS, productRule, rankOf, search, type Rule } from './one-set-search.ts';

const POLICIES = ['strict', 'ledger'] as const;
const MINIMA = [3, 4, 5] as const;

describe('everything in the span of the sums is made of disjoint blocks that are large enough', () => {
  for (const policy of POLICIES)
    for (const minimum of MINIMA)
      for (let colluders = 0; colluders < minimum - 1; colluders += 1)
        it(`${policy}, minimum ${minimum}, ${colluders} colluders`, () => {
          const verdict = search({ rule: productRule(policy), minimum, colluders });
          expect(verdict.attack).toBeUndefined();
          expect(verdict.states).toBeGreaterThan(0);
        });

  it('says nothing from minimum - 1 colluders on: one honest member is then a block of enough', () => {
    for (const minimum of MINIMA)
      for (let colluders = minimum - 1; colluders <= MEMBERS; colluders += 1)
        expect(minimum - colluders).toBeLessThanOrEqual(1);
  });

  it('lets more than one set be opened where blocks are large enough: the rule is no standstill', () => {
    const strict = search({ rule: productRule('strict'), minimum: 3, colluders: 0 });
    const ledger = search({ rule: productRule('ledger'), minimum: 3, colluders: 0 });
    expect(strict.deepest).toBeGreaterThan(1);
    // A set and a part of it that leaves a block of the minimum: what only the public list allows.
    expect(ledger.deepest).toBeGreaterThan(strict.deepest);
  });
});

/** The sizes of what only one of two sets holds. */
const difference = (a: readonly string[], b: readonly string[]): number =>
  a.filter((member) => !b.includes(member)).length +
  b.filter((member) => !a.includes(member)).length;

const product = productRule('strict');

const WEAKENED: Readonly<Record<string, { readonly rule: Rule; readonly minimum: number }>> = {
  'by the size of the difference alone': {
    minimum: 3,
    rule: {
      mayUpload: () => true,
      mayAnswer: ({ answered, minimum }, _present, proposed) =>
        answered.every((set) => {
          const size = difference(set, proposed);
          return size === 0 || size >= minimum;
        }),
    },
  },
  'by an unpublished list: the atoms of what the member has answered itself': {
    minimum: 3,
    rule: {
      mayUpload: () => true,
      mayAnswer: (view, present, proposed, family) =>
        mayAnswer(
          {
            ...view,
            policy: 'ledger',
            family: family.filter(({ survivors }) =>
              view.answered.some((set) => setName(set) === setName(survivors)),
            ),
          },
          present,
          proposed,
        ) === undefined,
    },
  },
  'by a list that the coordinator shows to each as it likes: at least what the member has answered itself':
    {
      minimum: 3,
      rule: {
        mayUpload: () => true,
        mayAnswer: (view, present, proposed, family) => {
          const own = new Set(view.answered.map(setName));
          // The coordinator picks the list that lets the member answer, if there is one.
          return Array.from({ length: 2 ** family.length }, (_, choice) =>
            family.filter(
              ({ survivors }, i) => ((choice >> i) & 1) === 1 || own.has(setName(survivors)),
            ),
          ).some(
            (shown) =>
              mayAnswer({ ...view, policy: 'ledger', family: shown }, present, proposed) ===
              undefined,
          );
        },
      },
    },
};

describe('the check finds the attack when the rule is weakened', () => {
  it.each(Object.keys(WEAKENED))('%s', (name) => {
    const { rule, minimum } = WEAKENED[name] as { readonly rule: Rule; readonly minimum: number };
    // Full cohorts are enough, and the attack needs no colluder at all.
    const at = { rule, minimum, colluders: 0, dropouts: false, untilSingle: true };
    const { attack } = search(at);
    expect(attack).toBeDefined();
    expect(attack?.single).toBeDefined();
    expect(attack?.sets.length).toBeLessThanOrEqual(4);
  });

  it('by what a member has answered itself, without what the others state and have renounced', () => {
    // The rule of section 2.0 read as "on the participant's own disk" alone.
    const own: Rule = {
      mayUpload: () => true,
      mayAnswer: (view, present, proposed, family) =>
        product.mayAnswer(
          view,
          { ...present, cohort: present.cohort.map(({ member }) => ({ member, answered: [] })) },
          proposed,
          family,
        ),
    };
    // Two sets of which one holds the other: v and h answer for {v, h, h'} and three colluders, h'
    // for {h, h'} and them.
    const alone = search({ rule: own, minimum: 5, colluders: 3, untilSingle: true });
    expect(alone.attack?.single).toBeDefined();
    // Blocks that are too small come up without any colluder.
    expect(search({ rule: own, minimum: 3, colluders: 0 }).attack).toBeDefined();
  });

  it('by what members state, without what they have renounced', () => {
    const rule: Rule = { mayUpload: () => true, mayAnswer: product.mayAnswer };
    expect(search({ rule, minimum: 5, colluders: 3 }).attack).toBeDefined();
  });

  it('by what members have renounced, without what they state', () => {
    const rule: Rule = {
      mayUpload: (view, { cohort }) => mayUpload(view, cohort) === undefined,
      mayAnswer: (view, _present, proposed) =>
        view.answered.every((set) => setName(set) === setName(proposed)),
    };
    expect(search({ rule, minimum: 5, colluders: 3 }).attack).toBeDefined();
  });
});

describe('the search itself', () => {
  it('knows when one update stands alone', () => {
    expect(rankOf([])).toBe(0);
    expect(
      rankOf([
        [1, 1, 0],
        [0, 1, 1],
        [1, 0, 1],
      ]),
    ).toBe(3);
    expect(
      rankOf([
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
        [1, 0, 0, 1],
      ]),
    ).toBe(3);
  });

  it('claims no more than the threshold: below it colluders open nothing without an answer', () => {
    for (const minimum of MINIMA)
      for (let n = minimum; n <= MEMBERS; n += 1) expect(threshold(n)).toBeGreaterThan(minimum - 2);
  });
});
