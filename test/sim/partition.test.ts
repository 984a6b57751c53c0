import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dealRows,
  formatPartition,
  parsePartition,
  partitionStatistics,
} from '../../client/data/partition.ts';
import { logGamma, normal, uniform } from '../../client/data/sampling.ts';
import { cipherStream } from '../../protocol/ports/random.ts';

const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const labelsOf = (size: number, classes: number): Int32Array =>
  Int32Array.from({ length: size }, (_, i) => (i * 7 + (i % 3)) % classes);

const schemes = fc.oneof(
  fc.constant({ type: 'iid' } as const),
  fc.record({
    type: fc.constant('shards' as const),
    perParticipant: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    type: fc.constant('dirichlet' as const),
    alpha: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  }),
);

describe('dealRows', () => {
  it('gives every row to exactly one participant, nobody nothing, and repeats', () => {
    fc.assert(
      fc.property(
        schemes,
        fc.integer({ min: 3, max: 20 }),
        fc.integer({ min: 80, max: 400 }),
        fc.integer({ min: 1, max: 10 }),
        fc.nat(255),
        (partition, participants, size, classes, n) => {
          const init = {
            partition,
            participants,
            size,
            classes,
            labels: labelsOf(size, classes),
            seed: seed(n),
          };
          const parts = dealRows(init);
          expect(parts).toHaveLength(participants);
          expect(parts.flatMap((part) => [...part]).toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: size }, (_, i) => i),
          );
          expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThan(0);
          expect(dealRows(init)).toEqual(parts);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('deals otherwise under another seed', () => {
    const init = {
      partition: { type: 'iid' } as const,
      participants: 4,
      size: 100,
      labels: labelsOf(100, 2),
    };
    expect(dealRows({ ...init, seed: seed(1) })).not.toEqual(dealRows({ ...init, seed: seed(2) }));
  });

  it('sizes differ by at most one, whatever the scheme', () => {
    const labels = labelsOf(103, 10);
    for (const text of ['iid', 'dirichlet:0.1', 'shards:1'])
      for (const part of dealRows({
        partition: parsePartition(text),
        participants: 10,
        size: 103,
        classes: 10,
        labels,
        seed: seed(3),
      }))
        expect([10, 11]).toContain(part.length);
  });

  // McMahan et al. 2017, section 3: 200 shards of 300 sorted examples, two each; most hold two
  // digits, none more than four.
  it('shards of sorted labels leave each participant few labels', () => {
    const labels = Int32Array.from({ length: 6000 }, (_, i) => i % 10);
    const parts = dealRows({
      partition: { type: 'shards', perParticipant: 2 },
      participants: 100,
      size: 6000,
      classes: 10,
      labels,
      seed: seed(4),
    });
    const statistics = partitionStatistics(parts, labels, 10);
    expect(statistics).toMatchObject({ smallest: 60, largest: 60, mean: 60 });
    // 600 examples a label are cut into 30-example shards without remainder: exactly one label in
    // each shard.
    for (const counts of statistics.histogram ?? [])
      expect(counts.filter((n) => n > 0).length).toBeLessThanOrEqual(2);
    expect(statistics.meanLabels).toBeGreaterThan(1.5);
  });

  it('Dirichlet is skewed for a small concentration and even for a large one', () => {
    const labels = Int32Array.from({ length: 5000 }, (_, i) => i % 10);
    const labelsHeld = (alpha: number): number =>
      partitionStatistics(
        dealRows({
          partition: { type: 'dirichlet', alpha },
          participants: 20,
          size: 5000,
          classes: 10,
          labels,
          seed: seed(5),
        }),
        labels,
        10,
      ).meanLabels ?? 0;
    expect(labelsHeld(1e5)).toBeGreaterThan(9.5);
    expect(labelsHeld(0.05)).toBeLessThan(5);
    expect(labelsHeld(0.05)).toBeLessThan(labelsHeld(1));
  });

  it('refuses too few rows and labels where there are none', () => {
    const init = { size: 5, labels: labelsOf(5, 2), seed: seed(1) };
    expect(() => dealRows({ ...init, partition: { type: 'iid' }, participants: 6 })).toThrow(
      /too few/,
    );
    expect(() =>
      dealRows({
        ...init,
        partition: { type: 'shards', perParticipant: 3 },
        participants: 2,
        classes: 2,
      }),
    ).toThrow(/too few/);
    expect(() =>
      dealRows({ ...init, partition: { type: 'dirichlet', alpha: 1 }, participants: 3 }),
    ).toThrow(/needs classes/);
  });
});

describe('parsePartition', () => {
  it('reads what formatPartition writes', () => {
    for (const text of ['iid', 'shards:2', 'shards:1000', 'dirichlet:0.5', 'dirichlet:100'])
      expect(formatPartition(parsePartition(text))).toBe(text);
    expect(parsePartition('shards')).toEqual({ type: 'shards', perParticipant: 2 });
  });

  it.each([
    '',
    'IID',
    'iid:1',
    'shards:',
    'shards:0',
    'shards:1.5',
    'shards:1001',
    'shards:2:2',
    'dirichlet',
    'dirichlet:',
    'dirichlet:0',
    'dirichlet:-1',
    'dirichlet:NaN',
    'dirichlet:Infinity',
  ])('refuses %j', (text) => {
    expect(() => parsePartition(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('sampling', () => {
  const random = cipherStream(seed(9));
  const mean = (values: readonly number[]): number =>
    values.reduce((a, b) => a + b, 0) / values.length;
  const variance = (values: readonly number[]): number => {
    const m = mean(values);
    return mean(values.map((x) => (x - m) ** 2));
  };
  const many = (draw: () => number): number[] => Array.from({ length: 20_000 }, draw);

  it('uniform and normal have their moments', () => {
    const u = many(() => uniform(random));
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...u)).toBeLessThan(1);
    expect(mean(u)).toBeCloseTo(0.5, 1);
    expect(variance(u)).toBeCloseTo(1 / 12, 2);
    const z = many(() => normal(random));
    expect(Math.abs(mean(z))).toBeLessThan(0.05);
    expect(variance(z)).toBeCloseTo(1, 1);
  });

  // Gamma(k, 1) has mean k and variance k.
  it.each([0.3, 1, 2.5, 20])('gamma of shape %d has its moments', (shape) => {
    const values = many(() => Math.exp(logGamma(shape, random)));
    expect(Math.abs(mean(values) / shape - 1)).toBeLessThan(0.06);
    expect(Math.abs(variance(values) / shape - 1)).toBeLessThan(0.15);
  });

  it('stays finite in logarithms where the variate itself would underflow', () => {
    for (let i = 0; i < 100; i += 1) expect(Number.isFinite(logGamma(1e-4, random))).toBe(true);
  });
});
