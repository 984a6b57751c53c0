/**
 * @module The generator against published values of its reference implementation; shuffles by their
 * properties.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { permutation, randomStream, xoshiro128 } from '../../client/random.ts';

describe('xoshiro128**', () => {
  it('gives the reference values for the state 1, 2, 3, 4', () => {
    const next = xoshiro128(1, 2, 3, 4);
    // Published outputs of the authors' C code (version 1.1), as the Rust crate rand_xoshiro tests
    // them too.
    expect(Array.from({ length: 6 }, next)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492,
    ]);
  });
});

describe('streams and permutations', () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });

  it('depend on seed and label only', () => {
    fc.assert(
      fc.property(seed, fc.string(), (bytes, label) => {
        const take = (name: string): number[] =>
          Array.from({ length: 4 }, randomStream(bytes, name).uint32);
        expect(take(label)).toEqual(take(label));
        expect(take(label)).not.toEqual(take(`${label}x`));
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('hold every index once', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 0, max: 300 }), (bytes, size) => {
        const order = permutation(size, randomStream(bytes, 'order'));
        expect([...order].toSorted((a, b) => a - b)).toEqual([...Array(size).keys()]);
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('hit all orders of four about equally often', () => {
    const counts = new Map<string, number>();
    const stream = randomStream(new Uint8Array(32), 'orders');
    for (let i = 0; i < 24_000; i++) {
      const order = permutation(4, stream).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    // Chi-square with 23 degrees of freedom stays below 49.7 with probability 0.999; the seed is
    // fixed.
    const deviations = [...counts.values()].map((count) => (count - 1000) ** 2 / 1000);
    expect(counts.size).toBe(24);
    expect(deviations.reduce((a, b) => a + b, 0)).toBeLessThan(49.7);
  });
});
