/**
 * Partitions with skewed sizes and labels, by a key, and features that differ: proportions that are
 * known, and refusals.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDataset, subset } from '../../client/data/dataset.ts';
import {
  dealRows,
  formatPartition,
  parsePartition,
  type PartitionInit,
} from '../../client/data/partition.ts';
import { sizesOf } from '../../client/data/skewed-partition.ts';
import { loadScenarioData } from '../../sim/data.ts';
import {
  angleOf,
  checkSkew,
  noiseOf,
  rotateImage,
  skewed,
} from '../../sim/partition/feature-skew.ts';

const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const balanced = (size: number, classes: number): Int32Array =>
  Int32Array.from({ length: size }, (_, i) => i % classes);

const deal = (text: string, init: Partial<PartitionInit> = {}): Uint32Array[] =>
  dealRows({
    partition: parsePartition(text),
    participants: 10,
    size: 2000,
    classes: 10,
    labels: balanced(2000, 10),
    seed: seed(1),
    ...init,
  });

const rowsIn = (parts: readonly Uint32Array[]): readonly number[] =>
  parts.flatMap((part) => [...part]).toSorted((a, b) => a - b);

describe('skewed partitions', () => {
  it('give every row to exactly one participant, nobody nothing, and repeat', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('labels:2', 'label-dirichlet:0.5', 'quantity:0.5', 'power-law:1.2'),
        fc.integer({ min: 10, max: 30 }),
        fc.nat(255),
        (text, participants, n) => {
          const parts = deal(text, { participants, seed: seed(n) });
          expect(parts).toHaveLength(participants);
          expect(rowsIn(parts)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
          expect(Math.min(...parts.map(({ length }) => length))).toBeGreaterThan(0);
          expect(deal(text, { participants, seed: seed(n) })).toEqual(parts);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('labels:3 gives each exactly three labels, and divides a label evenly', () => {
    const labels = balanced(2000, 10);
    const parts = deal('labels:3');
    const counts = parts.map((part) => {
      const of = new Map<number, number>();
      for (const row of part) of.set(labels[row]!, (of.get(labels[row]!) ?? 0) + 1);
      return of;
    });
    expect(counts.map(({ size }) => size)).toEqual(Array.from({ length: 10 }, () => 3));
    for (let label = 0; label < 10; label += 1) {
      const held = counts.flatMap((of) => of.get(label) ?? []);
      expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
    }
  });

  it('power-law sizes are 1/r^e, rounded to the whole', () => {
    const sizes = deal('power-law:1', { participants: 4, size: 2500, labels: balanced(2500, 10) });
    // 1 + 1/2 + 1/3 + 1/4 = 25/12.
    expect(sizes.map(({ length }) => length).toSorted((a, b) => b - a)).toEqual([
      1200, 600, 400, 300,
    ]);
    expect(sizesOf([1, 1, 1], 10)).toEqual([4, 3, 3]);
  });

  it('quantity sizes have the variance of the Dirichlet distribution, labels stay even', () => {
    const participants = 5;
    const alpha = 2;
    const runs = Array.from({ length: 200 }, (_, i) =>
      deal(`quantity:${alpha}`, { participants, seed: seed(i) }),
    );
    const fractions = runs.flatMap((parts) => parts.map(({ length }) => length / 2000));
    const variance =
      fractions.reduce((sum, x) => sum + (x - 1 / participants) ** 2, 0) / fractions.length;
    const expected = ((1 / participants) * (1 - 1 / participants)) / (participants * alpha + 1);
    expect(variance / expected).toBeGreaterThan(0.85);
    expect(variance / expected).toBeLessThan(1.15);
    // Chi-square of the labels of the largest part, 9 degrees of freedom: below 27.9 but once in
    // a thousand.
    const [first] = runs as [Uint32Array[]];
    const largest = first.toSorted((a, b) => b.length - a.length)[0]!;
    const counts = Array.from({ length: 10 }, (_, c) => largest.filter((r) => r % 10 === c).length);
    const even = largest.length / 10;
    expect(counts.reduce((sum, n) => sum + (n - even) ** 2 / even, 0)).toBeLessThan(27.9);
  });

  it('label-dirichlet is even for a large alpha and skewed for a small one', () => {
    const most = (alpha: number): number => {
      const parts = deal(`label-dirichlet:${alpha}`, { participants: 10 });
      return Math.max(...parts.map((part) => part.filter((row) => row % 10 === 0).length));
    };
    expect(most(1e5)).toBeLessThanOrEqual(22);
    expect(most(0.1)).toBeGreaterThan(60);
  });

  it('is refused where a participant would hold nothing, with what to do', () => {
    expect(() => deal('power-law:5', { participants: 30 })).toThrow(
      /leaves some of 30 participants/u,
    );
    expect(() => deal('quantity:0.001', { participants: 100 })).toThrow(/less skew/u);
    expect(() => deal('labels:2', { participants: 5 })).toThrow(
      /expected at least 10 participants/u,
    );
    expect(() => deal('labels:11')).toThrow(/expected at most 10 labels/u);
    expect(() => deal('labels:2', { classes: undefined })).toThrow(
      /needs classes, one for each example/u,
    );
    expect(() => deal('key:site')).toThrow(/needs a table/u);
  });

  it('reads what formatPartition writes', () => {
    for (const text of [
      'labels:2',
      'label-dirichlet:0.5',
      'quantity:1',
      'power-law:1.5',
      'key:site',
    ])
      expect(formatPartition(parsePartition(text))).toBe(text);
  });
});

describe('a partition by a key', () => {
  const codes = Int32Array.from({ length: 2000 }, (_, i) => ((i * i) % 7) % 4);
  const keys = { column: 'site', codes, names: ['d', 'c', 'b', 'a'] };

  it('keeps the rows of a value together; with one participant for each in their order', () => {
    const parts = deal('key:site', { participants: 3, keys });
    expect(rowsIn(parts)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    const found = new Set(codes);
    expect(found.size).toBe(3);
    const names = parts.map((part) => new Set([...part].map((row) => keys.names[codes[row]!])));
    expect(names).toEqual(
      [...found]
        .map((c) => keys.names[c]!)
        .toSorted()
        .map((n) => new Set([n])),
    );
    for (const part of deal('key:site', { participants: 2, keys }))
      expect(new Set([...part].map((row) => codes[row])).size).toBeLessThanOrEqual(2);
    expect(() => deal('key:site', { participants: 4, keys })).toThrow(/--participants 3 or fewer/u);
  });

  it('follows the rows of a table that is cut, and is no input', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'floe-key-'));
    try {
      const file = join(folder, 'sites.csv');
      const lines = Array.from({ length: 120 }, (_, i) => `${i},site${i % 3},${i % 2}`);
      await writeFile(file, ['x,site,y', ...lines].join('\n'));
      const data = await loadScenarioData(file, seed(3), { key: 'site' });
      expect(data.train.featureShape).toEqual([1]);
      expect(data.keys?.codes).toHaveLength(data.train.size);
      const input = data.contract?.input;
      const normalise = input?.type === 'table' ? input.features[0] : undefined;
      const { mean, scale } = (normalise as { normalise: { mean: number; scale: number } })
        .normalise;
      for (let i = 0; i < data.train.size; i += 1) {
        const x = Math.round(data.train.features[i]! * scale + mean);
        const { names, codes: of } = data.keys!;
        expect([i, names[of[i]!]]).toEqual([i, `site${x % 3}`]);
      }
      await expect(loadScenarioData(file, seed(3), { key: 'ward' })).rejects.toMatchObject({
        code: 'usage',
        message: expect.stringContaining('the table has x, site, y') as string,
      });
      await writeFile(file, 'x,site,y\n1,,0\n');
      await expect(loadScenarioData(file, seed(3), { key: 'site' })).rejects.toMatchObject({
        code: 'data_unfit',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('feature skew', () => {
  const images = createDataset({
    features: Uint8Array.from({ length: 4 * 9 }, (_, i) => i * 7),
    labels: Int32Array.of(0, 1, 0, 1),
    featureShape: [3, 3, 1],
    classes: 2,
  });
  const place = { index: 1, participants: 4, seed: seed(5) };

  it('a quarter turn moves every pixel to its place, two channels alike', () => {
    const turned = rotateImage([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3, 1], 90);
    expect([...turned]).toEqual([3, 6, 9, 2, 5, 8, 1, 4, 7]);
    expect([...rotateImage(turned, [3, 3, 1], -90)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const two = rotateImage([1, 10, 2, 20, 3, 30, 4, 40], [2, 2, 2], 180);
    expect([...two]).toEqual([4, 40, 3, 30, 2, 20, 1, 10]);
    expect([...rotateImage([5, 5, 5, 5, 5, 5, 5, 5, 5], [3, 3, 1], 45)][4]).toBe(5);
  });

  it('turns the examples of a participant by its own angle and leaves the data alone', () => {
    const before = images.features.slice();
    const view = subset(images, [2, 0]);
    const own = skewed(view, { ...place, skew: { type: 'rotation', degrees: 90 } });
    const degrees = angleOf(90, place);
    expect(Math.abs(degrees)).toBeLessThanOrEqual(90);
    const image = Array.from(images.features.subarray(18, 27), (value) => value / 255);
    const wanted = rotateImage(Float32Array.from(image), [3, 3, 1], degrees);
    expect([...own.features.subarray(0, 9)]).toEqual([...wanted]);
    expect([...own.labels]).toEqual([0, 0]);
    expect(images.features).toEqual(before);
    expect(angleOf(90, { ...place, index: 2 })).not.toBe(degrees);
    expect(skewed(view, { ...place, skew: { type: 'none' } })).toBe(view);
  });

  it('gives participant i of n noise of sigma (i + 1) / n', () => {
    const zeros = createDataset({
      features: new Float32Array(40_000),
      labels: new Int32Array(4_000),
      featureShape: [10],
    });
    expect(noiseOf(0.4, place)).toBeCloseTo(0.2, 12);
    const own = skewed(zeros, { ...place, skew: { type: 'noise', sigma: 0.4 } });
    const square = Array.from(own.features).reduce((sum, x) => sum + x * x, 0) / 40_000;
    expect(Math.sqrt(square)).toBeGreaterThan(0.195);
    expect(Math.sqrt(square)).toBeLessThan(0.205);
    expect(() => checkSkew({ type: 'rotation', degrees: 9 }, zeros)).toThrow(/needs images/u);
  });
});
