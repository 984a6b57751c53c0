/**
 * @module The devnet's BLS12-381 gives what `@noble/curves` gives, and reads and refuses the same
 * bytes.
 */
import { bls12_381 as noble } from '@noble/curves/bls12-381.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bls12_381 as fast, ORDER, randomMultiple } from '../../devnet/bls12-381.ts';

const { Fp12, Fr } = noble.fields;
const scalars = fc.bigInt({ min: 1n, max: ORDER - 1n });
const few = { numRuns: 6 };

test('multiples, sums and differences', () => {
  expect(ORDER).toBe(Fr.ORDER);
  fc.assert(
    fc.property(scalars, scalars, (a, b) => {
      for (const group of ['G1', 'G2'] as const) {
        const [ours, theirs] = [fast[group].Point.BASE, noble[group].Point.BASE];
        const [p, q] = [ours.multiply(a), ours.multiply(b)];
        const [x, y] = [theirs.multiply(a), theirs.multiply(b)];
        expect(p.toBytes()).toEqual(x.toBytes());
        expect(p.add(q as never).toBytes()).toEqual(x.add(y as never).toBytes());
        expect(p.subtract(q as never).toBytes()).toEqual(x.subtract(y as never).toBytes());
        expect(p.subtract(p as never).is0()).toBe(true);
        expect(p.equals(q as never)).toBe(a === b);
      }
    }),
    few,
  );
  for (const scalar of [0n, ORDER, -1n])
    expect(() => fast.G1.Point.BASE.multiply(scalar)).toThrow(RangeError);
});

test('hashes to both curves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
      const [one, two] = [noble.G1.hashToCurve(data), noble.G2.hashToCurve(data)];
      expect(fast.G1.hashToCurve(data).toBytes()).toEqual(one.toBytes());
      expect(fast.G2.hashToCurve(data).toBytes()).toEqual(two.toBytes());
    }),
    few,
  );
});

test('pairings, in bytes', () => {
  fc.assert(
    fc.property(scalars, scalars, (a, b) => {
      const ours = fast.pairing(fast.G1.Point.BASE.multiply(a), fast.G2.Point.BASE.multiply(b));
      const [p, q] = [noble.G1.Point.BASE.multiply(a), noble.G2.Point.BASE.multiply(b)];
      expect(fast.fields.Fp12.toBytes(ours)).toEqual(Fp12.toBytes(noble.pairing(p, q)));
      const swapped = fast.pairing(fast.G1.Point.BASE.multiply(b), fast.G2.Point.BASE.multiply(a));
      expect(fast.fields.Fp12.eql(ours, swapped)).toBe(true);
      expect(fast.fields.Fp12.eql(ours, fast.pairing(fast.G1.Point.BASE, fast.G2.Point.BASE))).toBe(
        false,
      );
    }),
    { numRuns: 3 },
  );
});

/** What a reader makes of bytes: the point again, or nothing. */
const read = (decode: () => { toBytes(): Uint8Array }): Uint8Array | undefined => {
  try {
    return decode().toBytes();
  } catch {
    return undefined;
  }
};

test('points of bytes: valid, altered, infinite, outside the group, not canonical', () => {
  for (const group of ['G1', 'G2'] as const) {
    const length = group === 'G1' ? 48 : 96;
    const agree = (bytes: Uint8Array): Uint8Array | undefined => {
      const wanted = read(() => {
        const point = noble[group].Point.fromBytes(bytes);
        point.assertValidity();
        return point;
      });
      expect(read(() => fast[group].Point.fromBytes(bytes))).toEqual(wanted);
      return wanted;
    };
    const good = noble[group].Point.BASE.multiply(77n).toBytes();
    expect(agree(good)).toEqual(good);
    for (const flag of [0x80, 0x40, 0x20, 0xc0, 0xe0, 0x60]) {
      const altered = Uint8Array.from(good);
      altered[0] = (altered[0] ?? 0) ^ flag;
      agree(altered);
    }
    const infinity = new Uint8Array(length);
    agree(infinity);
    infinity[0] = 0xc0;
    agree(infinity);
    infinity[length - 1] = 1;
    expect(agree(infinity)).toBeUndefined();
    // x is the modulus or more.
    const large = new Uint8Array(length).fill(0xff);
    large[0] = 0x9f;
    expect(agree(large)).toBeUndefined();
    expect(agree(good.subarray(1))).toBeUndefined();
    expect(agree(new Uint8Array([...good, 0]))).toBeUndefined();
    // On the curve half of the time, in the group never.
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (bytes) => {
        bytes[0] = 0x80 | ((bytes[0] ?? 0) & 0x0f);
        agree(bytes);
      }),
      { numRuns: 16 },
    );
  }
});

test('a random multiple is that multiple, and another one each time', () => {
  const point = fast.G1.Point.BASE.multiply(5n);
  const { scalar, multiple } = randomMultiple(point);
  expect(scalar).toBeLessThan(ORDER);
  expect(multiple.equals(point.multiply(scalar))).toBe(true);
  expect(randomMultiple(point).scalar).not.toBe(scalar);
  expect(fast.utils.randomSecretKey()).toHaveLength(32);
});
