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
