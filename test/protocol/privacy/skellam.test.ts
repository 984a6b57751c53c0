/**
 * @module The sampler of Skellam noise against the exact distribution, and that no float is on its
 * path.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cipherStream, seededRandom, type RandomSource } from '../../../protocol/ports/random.ts';
import { logGamma } from '../../../protocol/privacy/accounting/special.ts';
import {
  MAX_VARIANCE,
  skellamTable,
  tableError,
  varianceUnits,
} from '../../../protocol/privacy/skellam-table.ts';
import { skellamSampler } from '../../../protocol/privacy/skellam.ts';

const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);

/** P(X = k), from the sum over both Poisson variables. */
const exact = (variance: number, k: number): number => {
  const rate = variance / 2;
  const size = Math.abs(k);
  const reach = Math.ceil(rate + 20 * Math.sqrt(rate) + 40);
  let sum = 0;
  for (let j = 0; j <= reach; j += 1)
    sum += Math.exp(
      (2 * j + size) * Math.log(rate) - 2 * rate - logGamma(j + 1) - logGamma(j + size + 1),
    );
  return sum;
};

const drawn = (variance: number, count: number, random: RandomSource): Int32Array => {
  const out = new Int32Array(count);
  skellamSampler(variance).draw(out, random);
  return out;
};

describe.each([0.25, 3, 90.5, 2500])('noise of variance %d', (variance) => {
  const COUNT = 200_000;
  const sample = drawn(variance, COUNT, cipherStream(seed(3)));

  it('passes the chi-square test against the exact distribution', () => {
    const seen = new Map<number, number>();
    for (const value of sample) seen.set(value, (seen.get(value) ?? 0) + 1);
    // Bins of at least 20 expected draws, and one for the rest.
    const reach = Math.ceil(6 * Math.sqrt(variance) + 6);
    let [statistic, bins, restSeen, restExpected] = [0, 0, COUNT, COUNT];
    for (let k = -reach; k <= reach; k += 1) {
      const expected = COUNT * exact(variance, k);
      if (expected < 20) continue;
      const got = seen.get(k) ?? 0;
      statistic += (got - expected) ** 2 / expected;
      bins += 1;
      restSeen -= got;
      restExpected -= expected;
    }
    if (restExpected > 5) {
      statistic += (restSeen - restExpected) ** 2 / restExpected;
      bins += 1;
    }
    const freedom = bins - 1;
    expect(freedom).toBeGreaterThan(3);
    expect(Math.abs(statistic - freedom)).toBeLessThan(4.5 * Math.sqrt(2 * freedom));
  });

  it('has the moments of the distribution', () => {
    let [first, second, fourth] = [0, 0, 0];
    for (const value of sample) {
      first += value;
      second += value ** 2;
      fourth += value ** 4;
    }
    expect(Math.abs(first / COUNT)).toBeLessThan(5 * Math.sqrt(variance / COUNT));
    expect(Math.abs(second / COUNT / variance - 1)).toBeLessThan(0.02);
    // E x^4 = 3 mu^2 + mu.
    expect(Math.abs(fourth / COUNT / (3 * variance ** 2 + variance) - 1)).toBeLessThan(0.06);
  });
});

it('a wrong variance fails the same chi-square test', () => {
  const count = 200_000;
  const sample = drawn(3.3, count, cipherStream(seed(3)));
  const zeros = sample.filter((value) => value === 0).length;
  const expected = count * exact(3, 0);
  expect((zeros - expected) ** 2 / expected).toBeGreaterThan(20);
});

it('depends on the random bytes alone', () => {
  const [a, b, c] = [1, 1, 2].map((n) => drawn(1e6, 50_000, seededRandom(seed(n))));
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
});

it('adds to lanes modulo the ring as it fills integers', () => {
  const sampler = skellamSampler(400);
  const plain = new Int32Array(20_000);
  sampler.draw(plain, cipherStream(seed(5)));
  const lanes = new Uint16Array(20_000).fill(4090);
  sampler.addTo(lanes, 12, cipherStream(seed(5)));
  expect([...lanes]).toEqual([...plain].map((value) => (4090 + value) & 0xfff));
});

describe('the table', () => {
  it('keeps the recurrence of the Bessel functions to 2^-150', () => {
    const units = varianceUnits(7.25);
    const { upper, lower, reach } = skellamTable(units);
    const threshold = (i: number): bigint =>
      (BigInt(upper[i]!) << 128n) | (lower[2 * i]! << 64n) | lower[2 * i + 1]!;
    const mass = (k: number): bigint => threshold(k + reach) - threshold(k + reach - 1);
    for (let k = 1; k < 40; k += 1) {
      const difference = mass(k - 1) - mass(k + 1);
      const expected = ((2n * BigInt(k) * mass(k)) << 16n) / units;
      const error = difference > expected ? difference - expected : expected - difference;
      expect(error < 2n ** 10n).toBe(true);
      expect(mass(k) - mass(-k) < 4n && mass(-k) - mass(k) < 4n).toBe(true);
    }
    expect(Number(mass(0)) / 2 ** 160).toBeCloseTo(exact(7.25, 0), 12);
  });

  it('draws 128 more bits where 32 do not decide, and uses them', () => {
    const sampler = skellamSampler(3);
    const { table } = sampler;
    const at = table.reach;
    const word = table.upper[at]!;
    const withLower = (high: bigint, low: bigint): number => {
      const out = new Int32Array(1);
      const asked: number[] = [];
      sampler.draw(out, (length) => {
        asked.push(length);
        const view = new DataView(new ArrayBuffer(length));
        if (length === 4) view.setUint32(0, word, true);
        else {
          view.setBigUint64(0, high, true);
          view.setBigUint64(8, low, true);
        }
        return new Uint8Array(view.buffer);
      });
      expect(asked).toEqual([4, 16]);
      return out[0]!;
    };
    const [high, low] = [table.lower[2 * at]!, table.lower[2 * at + 1]!];
    expect(withLower(high, low - 1n)).toBe(0);
    expect(withLower(high, low)).toBe(1);
    expect(withLower(0n, 0n)).toBe(0);
  });

  it('is far closer to exact than any delta', () => {
    const table = skellamTable(varianceUnits(1e6));
    expect(tableError(table, 200_000 * 1000 * 1000)).toBeLessThan(1e-30);
  });

  it('rounds a variance up, never down', () => {
    expect(varianceUnits(1e-9)).toBe(1n);
    expect(varianceUnits(2.5)).toBe(163_840n);
    expect(varianceUnits(1 / 3)).toBe(21_846n);
  });

  it.each([0, -1, Number.NaN, Infinity, MAX_VARIANCE * 1.01])('refuses variance %d', (variance) => {
    expect(() => varianceUnits(variance)).toThrow(
      expect.objectContaining({ code: 'privacy_invalid' }),
    );
  });
});

it('has no random source of its own and no float on the path', () => {
  for (const file of ['skellam.ts', 'skellam-table.ts']) {
    const code = readFileSync(`protocol/privacy/${file}`, 'utf8').replaceAll(
      /\/\*\*[\s\S]*?\*\/|\/\/.*/gu,
      '',
    );
    expect(code).not.toMatch(/Math\.(?!abs|ceil|min)|randomNormal|Float(?:32|64)Array|\d\.\d/u);
  }
});
