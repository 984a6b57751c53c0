import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import {
  checkDrops,
  dropCounts,
  DROP_PHASES,
  formatDrops,
  parseDrops,
  planDrops,
} from '../../sim/faults.ts';

const usage = expect.objectContaining({ code: 'usage' }) as unknown as Error;
const keys = (n: number): Uint8Array[] =>
  Array.from({ length: n }, (_, i) => new Uint8Array(32).fill(i + 1));

describe('parseDrops', () => {
  it('reads shares by phase, and one share for all', () => {
    expect(parseDrops('share:0.1,upload:0.2', true)).toEqual({ share: 0.1, upload: 0.2 });
    expect(parseDrops('0', true)).toEqual({});
    expect(Object.values(parseDrops('0.3', true)).reduce((a, b) => a + b, 0)).toBeCloseTo(0.3);
    expect(Object.keys(parseDrops('0.2', false))).toEqual(['register', 'upload']);
    expect(formatDrops(parseDrops('share:0.1,upload:0.2', true))).toBe('share:0.1,upload:0.2');
    expect(formatDrops({})).toBe('none');
  });

  it.each([
    '',
    'x',
    '1',
    '-0.1',
    'NaN',
    'share',
    'share:',
    'share:1',
    'share:0.1,share:0.1',
    'share:0.1,',
    'train:0.1',
    'share:0.1:0.2',
  ])('refuses %j', (text) => {
    expect(() => parseDrops(text, true)).toThrow(usage);
  });

  it('refuses a phase that a run without masks does not have', () => {
    expect(() => parseDrops('share:0.1', false)).toThrow(usage);
  });
});

describe('dropCounts', () => {
  it('rounds the sum, not each phase', () => {
    const counts = dropCounts(parseDrops('0.3', true), 10);
    expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(3);
    expect(dropCounts({ share: 0.1, upload: 0.2 }, 10)).toEqual({
      register: 0,
      share: 1,
      upload: 2,
      consistent: 0,
      unmask: 0,
    });
  });
});

describe('checkDrops', () => {
  // n = 10: threshold floor(20/3) + 1 = 7, so three may be lost before the unmasking.
  it('takes what leaves the threshold and refuses one more', () => {
    const cohort = { size: 10, minimum: 5 };
    expect(() => checkDrops({ share: 0.3 }, cohort, true)).not.toThrow();
    expect(() => checkDrops({ share: 0.4 }, cohort, true)).toThrow(usage);
    // After its answer nobody is needed any more.
    expect(() => checkDrops({ unmask: 0.9 }, cohort, true)).not.toThrow();
    expect(() => checkDrops({ register: 0.5 }, cohort, false)).not.toThrow();
    expect(() => checkDrops({ register: 0.6 }, cohort, false)).toThrow(usage);
  });
});

describe('checkDrops in groups', () => {
  // 30 in six groups of five, of which the median needs three for one liar. Each bears one loss.
  const robust = { rule: { type: 'median' }, byzantine: 1, groupSize: 5 } as const;
  const cohort = { size: 30, minimum: 5, robust };
  type Cohort = Parameters<typeof checkDrops>[1];
  const check = (drops: Parameters<typeof checkDrops>[0], of: Cohort = cohort) =>
    checkDrops(drops, of, true);

  it('takes what the kindest draw bears, and refuses one more', () => {
    // Three groups are lost whole, and the others lose one each.
    expect(() => check({ share: 18 / 30 })).not.toThrow();
    expect(() => check({ share: 19 / 30 })).toThrow(/can lose 18 members at most, but 19/u);
    // After the upload no group is left out: each of the six loses one.
    expect(() => check({ upload: 6 / 30 })).not.toThrow();
    expect(() => check({ upload: 7 / 30 })).toThrow(usage);
    // Two lost before it take one group, and all others of it may be lost later.
    expect(() => check({ share: 2 / 30, upload: 8 / 30 })).not.toThrow();
    expect(() => check({ share: 2 / 30, upload: 9 / 30 })).toThrow(usage);
    expect(() => check({ unmask: 0.9 })).not.toThrow();
  });

  it('refuses groups of three any loss where the rule needs all of them', () => {
    const three = { size: 9, minimum: 3, robust: { ...robust, groupSize: 3 } };
    expect(() => check({}, three)).not.toThrow();
    // By the bound of the cohort two of nine were borne.
    expect(() => check({ share: 1 / 9 }, three)).toThrow(usage);
    expect(() => check({ share: 2 / 9 }, { size: 9, minimum: 3 })).not.toThrow();
  });

  it('is never stricter than a draw that could be', () => {
    // Against all ways to place the losses, for two kinds of losses in three groups.
    const of = { size: 10, minimum: 3, robust: { ...robust, byzantine: 0, groupSize: 3 } };
    const sizes = [4, 3, 3];
    const t = [3, 3, 3];
    const survives = (early: readonly number[], late: readonly number[]): boolean => {
      const alive = sizes.map((size, g) => size - early[g]! >= t[g]!);
      const answers = sizes.every((size, g) => !alive[g] || size - early[g]! - late[g]! >= t[g]!);
      return answers && alive.some(Boolean);
    };
    const placings = (total: number, room: readonly number[]): number[][] =>
      room.length === 0
        ? total === 0
          ? [[]]
          : []
        : Array.from({ length: Math.min(total, room[0]!) + 1 }, (_, own) =>
            placings(total - own, room.slice(1)).map((rest) => [own, ...rest]),
          ).flat();
    for (let early = 0; early <= 7; early += 1)
      for (let late = 0; early + late <= 7; late += 1) {
        const isPossible = placings(early, sizes).some((first) =>
          placings(
            late,
            sizes.map((size, g) => size - first[g]!),
          ).some((then) => survives(first, then)),
        );
        const drops = { share: early / 10, upload: late / 10 };
        if (isPossible) expect(() => check(drops, of)).not.toThrow();
        else expect(() => check(drops, of), `${early} ${late}`).toThrow(usage);
      }
  });
});

describe('planDrops', () => {
  it('loses as many as counted, members only, each once, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(1000), fc.nat(255), (n, attempt, s) => {
        const drops = parseDrops('0.25', true);
        const seed = new Uint8Array(32).fill(s);
        const plan = planDrops(drops, keys(n), attempt, seed);
        const counts = dropCounts(drops, n);
        for (const phase of DROP_PHASES)
          expect([...plan.values()].filter((p) => p === phase)).toHaveLength(counts[phase]);
        const names = new Set(keys(n).map(toHex));
        for (const name of plan.keys()) expect(names.has(name)).toBe(true);
        expect(planDrops(drops, keys(n).toReversed(), attempt, seed)).toEqual(plan);
      }),
      { numRuns: 50 },
    );
  });

  it('another round loses others', () => {
    const plan = (attempt: number) => [
      ...planDrops({ share: 0.3 }, keys(20), attempt, new Uint8Array(32)).keys(),
    ];
    expect(plan(1)).not.toEqual(plan(2));
  });
});
