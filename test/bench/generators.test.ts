/**
 * The generators of the benches that repeat published tables, checked against the papers' words:
 * Synthetic(a, b) (Li et al. 2020, section 5.1) and parts of a similarity (Karimireddy et al. 2020,
 * section 7.1). Moments are compared within six standard errors.
 */
import { describe, expect, it } from 'vitest';
import { partsOfSimilarity } from '../../bench/learning/similarity.ts';
import {
  DEVICES,
  FEATURES,
  deviceSizes,
  makeSynthetic,
  managedEpochs,
} from '../../bench/learning/synthetic.ts';
import type { Dataset } from '../../client/data/dataset.ts';
import { deriveSeed, cipherStream } from '../../protocol/ports/random.ts';

const seed = (name: string): Uint8Array => deriveSeed(new Uint8Array(32), name);
const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;
const variance = (values: readonly number[]): number => {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
};
const column = ({ features, size }: Dataset, j: number, most = size): readonly number[] =>
  Array.from({ length: Math.min(size, most) }, (_, i) => features[i * FEATURES + j]!);

describe('Synthetic(a, b)', () => {
  it('sizes are log-normal(4, 2) + 50', () => {
    const random = cipherStream(seed('sizes'));
    const logs = Array.from({ length: 40 }, () => deviceSizes(random))
      .flat()
      // A size of 50 is a log-normal below 1, whose logarithm is lost: half a unit stands for it.
      .map((size) => Math.log(Math.max(0.5, size - 50)));
    expect(Math.min(...logs)).toBeGreaterThanOrEqual(Math.log(0.5));
    const error = 2 / Math.sqrt(logs.length);
    expect(Math.abs(mean(logs) - 4)).toBeLessThan(6 * error);
    expect(Math.abs(Math.sqrt(variance(logs)) - 2)).toBeLessThan(6 * error);
  });

  it('has 30 devices with nine tenths of their examples for training', () => {
    const { train, test } = makeSynthetic({ a: 1, b: 1 }, seed('split'));
    expect(train).toHaveLength(DEVICES);
    const trained = train.reduce((sum, { size }) => sum + size, 0);
    expect(trained / (trained + test.size)).toBeCloseTo(0.9, 2);
    expect(Math.min(...train.map(({ size }) => size))).toBeGreaterThanOrEqual(45);
  });

  it('features of a device vary by j^-1.2 about a mean that is its own', () => {
    const { train } = makeSynthetic({ a: 0, b: 1 }, seed('features'));
    const largest = train.toSorted((x, y) => y.size - x.size)[0]!;
    for (const j of [0, 9, 59]) {
      const wanted = (j + 1) ** -1.2;
      const error = wanted * Math.sqrt(2 / largest.size);
      expect(Math.abs(variance(column(largest, j)) - wanted)).toBeLessThan(6 * error);
    }
    // v ~ N(B, 1) in every coordinate, whatever B is.
    const centres = Array.from({ length: FEATURES }, (_, j) => mean(column(largest, j)));
    expect(Math.abs(variance(centres) - 1)).toBeLessThan(6 * Math.sqrt(2 / FEATURES));
  });

  it('b moves the data of devices apart, a their models', () => {
    const spread = (b: number): number => {
      const { train } = makeSynthetic({ a: 0, b }, seed('spread'));
      return variance(
        train.map((part) =>
          mean(Array.from({ length: FEATURES }, (_, j) => mean(column(part, j, 20)))),
        ),
      );
    };
    // Mean of 60 coordinates of N(B, 1): the variance of B and 1/60.
    expect(spread(0)).toBeLessThan(0.1);
    expect(spread(2)).toBeGreaterThan(1);
  });

  it('the independent variant has one model and one distribution for all', () => {
    const { train, test } = makeSynthetic('independent', seed('independent'));
    const all = [...train, test];
    for (const part of all.filter(({ size }) => size > 500))
      expect(Math.abs(mean(column(part, 0)))).toBeLessThan(6 / Math.sqrt(part.size));
    // Two devices' majority classes are those of everybody, up to chance.
    const shares = all
      .filter(({ size }) => size > 500)
      .map(({ labels, size }) => labels.filter((label) => label === test.labels[0]).length / size);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(0.12);
  });

  it('stragglers manage 1 to E epochs, the others E', () => {
    const epochs = Array.from({ length: 400 }, (_, device) =>
      managedEpochs(0.5, 20, seed('epochs'), 3, device),
    );
    expect(Math.min(...epochs)).toBeGreaterThanOrEqual(1);
    const part = epochs.filter((value) => value < 20).length / epochs.length;
    // A straggler manages all 20 once in 20 times.
    expect(Math.abs(part - 0.475)).toBeLessThan(6 * Math.sqrt(0.25 / epochs.length));
    expect(managedEpochs(0, 20, seed('epochs'), 3, 7)).toBe(20);
  });
});

describe('parts of a similarity', () => {
  const labels = Int32Array.from({ length: 1000 }, (_, i) => i % 10);
  const kinds = (part: Uint32Array): number => new Set(Array.from(part, (row) => labels[row])).size;

  it('0 % is sorted: one label for each of as many participants', () => {
    const parts = partsOfSimilarity(labels, 10, 0, seed('sorted'));
    expect(parts.map(kinds)).toEqual(Array.from({ length: 10 }, () => 1));
    expect(new Set(parts.flatMap((part) => [...part])).size).toBe(1000);
  });

  it('100 % is iid: every participant has every label', () => {
    const parts = partsOfSimilarity(labels, 10, 1, seed('iid'));
    expect(Math.min(...parts.map(kinds))).toBe(10);
  });

  it('10 %: a tenth of each part comes at random, without repetition', () => {
    const parts = partsOfSimilarity(labels, 10, 0.1, seed('tenth'));
    expect(parts.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 100));
    expect(new Set(parts.flatMap((part) => [...part])).size).toBe(1000);
    for (const part of parts) {
      const counts = Array.from({ length: 10 }, (_, label) =>
        part.reduce((sum, row) => sum + Number(labels[row] === label), 0),
      );
      const most = Math.max(...counts) + counts.toSorted((a, b) => b - a)[1]!;
      // Two labels at most in the sorted ninety, and nearly ten others.
      expect(most).toBeGreaterThanOrEqual(90);
      expect(most).toBeLessThan(100);
    }
  });
});
