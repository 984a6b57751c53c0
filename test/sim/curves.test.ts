/**
 * @module The curve that the Seal SDK gets in simulations: the SDK runs on it unmodified, its
 * results are those of @noble/curves, and what repeats is computed once.
 */
import { bls12_381 as noble } from '@noble/curves/bls12-381.js';
import { describe, expect, it } from 'vitest';
import { bls12_381 as shared } from '../../sim/curves/bls12-381.ts';
import { memoized } from '../../sim/curves/memo.ts';

describe('the shared curve', () => {
  const scalar = 123_456_789n;
  const { Fp12 } = noble.fields;
  const data = new TextEncoder().encode('a name');

  it('gives what @noble/curves gives', () => {
    const p = shared.G1.Point.BASE.multiply(scalar);
    const q = shared.G2.Point.BASE.multiply(scalar);
    const [x, y] = [noble.G1.Point, noble.G2.Point].map(({ BASE }) => BASE.multiply(scalar));
    const wanted = Fp12.toBytes(noble.pairing(x as never, y as never));
    expect(shared.fields.Fp12.toBytes(shared.pairing(p, q))).toEqual(wanted);
    expect(shared.pairing(shared.G1.Point.fromBytes(p.toBytes()), q)).toBe(shared.pairing(p, q));
    expect(shared.fields.Fp12.toBytes(shared.pairing(p.negate(), q))).not.toEqual(wanted);
    const hashed = shared.G1.hashToCurve(data);
    expect(hashed.toBytes()).toEqual(noble.G1.hashToCurve(data).toBytes());
    expect(shared.G1.Point.fromAffine(hashed.toAffine()).toBytes()).toEqual(hashed.toBytes());
  });

  it('refuses bytes that are no point each time', () => {
    const bytes = noble.G1.Point.BASE.toBytes();
    bytes[47]! ^= 1;
    for (let i = 0; i < 2; i += 1) expect(() => shared.G1.Point.fromBytes(bytes)).toThrow();
    expect(() => shared.G2.Point.fromBytes(new Uint8Array(96))).toThrow();
  });
});

it('a memo computes once for a name, and keeps only the newest', () => {
  const asked: number[] = [];
  const double = memoized(
    (n: number) => {
      asked.push(n);
      return 2 * n;
    },
    String,
    2,
  );
  expect([1, 1, 2, 3, 3, 1].map((n) => double(n))).toEqual([2, 2, 4, 6, 6, 2]);
  expect(asked).toEqual([1, 2, 3, 1]);
});
