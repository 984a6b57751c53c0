/**
 * Rules of robust aggregation, against the reference values of their papers and implementations,
 * and against the definitions written a second time.
 */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../protocol/ports/random.ts';
import { centredClipping } from '../../protocol/robust/centred-clipping.ts';
import { combine, type Combination } from '../../protocol/robust/combine.ts';
import { geometricMedian } from '../../protocol/robust/geometric-median.ts';
import { multiKrum } from '../../protocol/robust/krum.ts';
import { buckets, nearest } from '../../protocol/robust/mixing.ts';
import { aggregate, tolerated } from '../../protocol/robust/rule.ts';
import type { AggregationRule, Robust } from '../../protocol/spec/settings/robust.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';
import { specOfSettings } from '../../protocol/spec/spec-of-settings.ts';
import { testIdentity } from '../support/run.ts';

const seed = new Uint8Array(32).fill(7);
const one = (...values: number[]): Float32Array[] => values.map((value) => Float32Array.of(value));
const zero = (vectors: readonly Float32Array[]): Float32Array =>
  new Float32Array(vectors[0]!.length);
const valueOf = (vectors: readonly Float32Array[], combination: Combination): number =>
  combine(vectors, zero(vectors), combination)[0]!;

/** Vectors in [-1, 1). */
const clouds = (count: number, dimension: number, label: number): Float32Array[] => {
  const bytes = seededRandom(new Uint8Array(32).fill(label))(count * dimension);
  return Array.from({ length: count }, (_, k) =>
    Float32Array.from({ length: dimension }, (__, i) => bytes[k * dimension + i]! / 128 - 1),
  );
};
const closeTo = (found: Float32Array, expected: readonly number[], digits = 6): void => {
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
};

describe('reference values', () => {
  it('Krum takes .7 of .2, .7 and 1; the first of equal scores', () => {
    const vectors = one(0.2, 0.7, 1);
    expect(valueOf(vectors, multiKrum(vectors, 1, 1))).toBe(Math.fround(0.7));
    expect(valueOf(one(1, 0.7, 0.2), multiKrum(one(1, 0.7, 0.2), 1, 1))).toBe(1);
  });

  it('Multi-Krum that keeps two of .2, .5 and 1 gives .35', () => {
    const vectors = one(0.2, 0.5, 1);
    expect(valueOf(vectors, multiKrum(vectors, 1, 2))).toBeCloseTo(0.35, 6);
  });

  it('the mean without a quarter at each end of .5, 1, 2 and 100 is 1.5', () => {
    expect(valueOf(one(100, 1, 0.5, 2), { type: 'trimmed', cut: 1 })).toBe(1.5);
  });

  it('Krum in float64 does not take the outlier that float32 distances take', () => {
    // Squares of 3e19 leave float32, where every distance is then infinite and the first one wins.
    const vectors = one(3e19, 1e19, 1.000_01e19, 0.999_99e19, 1.000_02e19);
    expect(valueOf(vectors, multiKrum(vectors, 1, 1))).toBeLessThan(2e19);
  });
});

describe('against the definitions written again', () => {
  const vectors = clouds(9, 5, 1);
  const norm = (v: readonly number[]): number => Math.hypot(...v);
  const minus = (a: readonly number[], b: readonly number[]): number[] =>
    a.map((value, i) => value - b[i]!);
  const lists = vectors.map((vector) => [...vector]);

  it('the geometric median is that of eight steps, and of many the point of least distances', () => {
    let z = lists[0]!.map(() => 0);
    for (let t = 0; t < 8; t += 1) {
      const betas = lists.map((x) => 1 / Math.max(norm(minus(z, x)), 0.1));
      const sum = betas.reduce((a, b) => a + b);
      z = z.map((_, i) => lists.reduce((a, x, k) => a + betas[k]! * x[i]!, 0) / sum);
    }
    closeTo(combine(vectors, zero(vectors), geometricMedian(vectors)), z);
    const far = [...combine(vectors, zero(vectors), geometricMedian(vectors, { iterations: 100 }))];
    const cost = (at: readonly number[]): number =>
      lists.reduce((sum, x) => sum + norm(minus(at, x)), 0);
    for (const i of [0, 1, 2, 3, 4])
      for (const step of [-0.02, 0.02])
        expect(cost(far.map((value, k) => (k === i ? value + step : value)))).toBeGreaterThan(
          cost(far),
        );
  });

  it('centred clipping is v + the mean of clipped differences, three times', () => {
    const centre = Float32Array.of(0.3, -0.2, 0, 0.1, 0.5);
    let v = [...centre];
    for (let t = 0; t < 3; t += 1) {
      const parts = lists.map((x) => {
        const difference = minus(x, v);
        const scale = Math.min(1, 0.7 / norm(difference));
        return difference.map((value) => value * scale);
      });
      v = v.map((value, i) => value + parts.reduce((a, p) => a + p[i]!, 0) / lists.length);
    }
    const combination = centredClipping(vectors, centre, { radius: 0.7 });
    closeTo(combine(vectors, centre, combination), v);
  });

  it('mixing takes the n - f nearest, itself first; buckets hold each once', () => {
    for (const [i, row] of nearest(vectors, 2).entries()) {
      expect(row).toHaveLength(7);
      expect(row[0]).toBe(i);
      const distance = (j: number): number => norm(minus(lists[i]!, lists[j]!));
      const left = lists.map((_, j) => j).filter((j) => !row.includes(j));
      const farthest = Math.max(...row.map(distance));
      for (const j of left) expect(distance(j)).toBeGreaterThanOrEqual(farthest);
    }
    const rows = buckets(9, 2, seed);
    expect(rows.map(({ length }) => length)).toEqual([2, 2, 2, 2, 1]);
    expect(rows.flat().toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(buckets(9, 2, new Uint8Array(32).fill(8))).not.toEqual(rows);
  });
});

const RULES: readonly AggregationRule[] = [
  { type: 'median' },
  { type: 'trimmed-mean' },
  { type: 'krum' },
  { type: 'multi-krum' },
  { type: 'rfa', iterations: 8, smoothing: 0.1 },
  { type: 'centred-clipping', iterations: 3, radius: 1 },
];

describe.each(RULES.map((rule) => [rule.type, rule] as const))('%s', (_, rule) => {
  const robust: Robust = { rule, byzantine: 2 };
  const honest = clouds(7, 20, 3).map((vector) => vector.map((value) => 1 + value / 10));
  const liars = clouds(2, 20, 4).map((vector) => vector.map(() => -1e6));
  const centre = new Float32Array(20).fill(1);
  const near = (found: Float32Array): boolean => found.every((value) => Math.abs(value - 1) < 0.2);

  it('stays with the honest where two of nine are far away, wherever they stand', () => {
    for (const vectors of [
      [...honest, ...liars],
      [...liars, ...honest],
    ])
      expect(near(aggregate(robust, { vectors, centre, seed }))).toBe(true);
  });

  it('as many false ones as it does not bear take it over', () => {
    const most = tolerated(robust, 9);
    const many = Array.from({ length: 9 }, (_unused, k) => (k < 6 ? liars[0]! : honest[k - 6]!));
    expect(most).toBeLessThan(6);
    const found = aggregate({ rule, byzantine: most }, { vectors: many, centre, seed });
    expect(near(found)).toBe(false);
  });

  it('does not move where all are equal', () => {
    const vectors = Array.from({ length: 5 }, () => honest[0]!);
    const found = aggregate({ rule, byzantine: 1 }, { vectors, centre: honest[0]!, seed });
    closeTo(found, [...honest[0]!], 5);
  });
});

describe('how many false updates a run may ask a rule to bear', () => {
  it('is less than half, and for Krum less than half of all but two', () => {
    expect(RULES.map((rule) => tolerated({ rule }, 25))).toEqual([12, 12, 11, 11, 12, 12]);
    expect(tolerated({ rule: { type: 'median' }, bucketing: 2 }, 25)).toBe(6);
    expect(tolerated({ rule: { type: 'krum' } }, 4)).toBe(0);
  });

  it('is refused above, with the number; and under masks, and without a rule', async () => {
    const fixed = {
      id: new Uint8Array(16),
      coordinator: (await testIdentity('coordinator')).publicKey,
      model: {
        architecture: 'custom',
        tensors: [{ name: 'w', shape: [4], dtype: 'float32' as const }],
      },
    };
    const settings = { cohort: 9, minimum: 7, mask: false, aggregation: { type: 'krum' } } as const;
    expect(specOfSettings({ ...settings, byzantine: 2 }, fixed).robust).toEqual({
      rule: { type: 'krum' },
      byzantine: 2,
    });
    expect(() => specOfSettings({ ...settings, byzantine: 3 }, fixed)).toThrow(
      'byzantine: krum bears 2 false updates where minimum (7) are left, got 3',
    );
    expect(() => specOfSettings({ ...settings, bucketing: 2, byzantine: 2 }, fixed)).toThrow(
      'byzantine: krum over buckets of 2 bears 0',
    );
    expect(() => specOfSettings({ ...settings, mask: true }, fixed)).toThrow('under masks');
    expect(() => specOfSettings({ byzantine: 2 }, fixed)).toThrow(
      'byzantine: it is part of a rule: expected aggregation',
    );
    expect(() =>
      makeRunSpec({ ...fixed, secagg: 'masked', robust: { rule: { type: 'median' } } }),
    ).toThrow('robust.rule: median compares single updates');
  });
});
