/**
 * @module Faster BLS12-381 for the cases in which the library's general formulas are slow. Points
 * known to be in the group are encoded without a second proof, a random multiple in G1 uses the
 * curve's endomorphism (Gallant, Lambert, Vanstone, CRYPTO 2001), and many multiples of one point
 * share a table. Nothing here is constant-time, because keys of a devnet protect no assets.
 */
import { randomBytes } from 'node:crypto';
import { bls12_381 } from '@noble/curves/bls12-381.js';

const { G1, G2, fields } = bls12_381;
const { Fp, Fr } = fields;

export type G1Point = InstanceType<typeof G1.Point>;
export type G2Point = InstanceType<typeof G2.Point>;

const COMPRESSED = 0x80;
const INFINITY = 0x40;
const LARGER_ROOT = 0x20;
const HALF = (Fp.ORDER - 1n) / 2n;

/** The compressed form (ZCash's) of an affine point: x, with the three flags in its first bits. */
const compressed = (x: Uint8Array, isLarger: boolean): Uint8Array => {
  const bytes = Uint8Array.from(x);
  bytes[0] = (bytes[0] ?? 0) | COMPRESSED | (isLarger ? LARGER_ROOT : 0);
  return bytes;
};

const infinity = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes[0] = COMPRESSED | INFINITY;
  return bytes;
};

/** 48 bytes of a point that the caller knows to be in the group. */
export const encodeG1 = (point: G1Point): Uint8Array => {
  if (point.is0()) return infinity(48);
  const { x, y } = point.toAffine();
  return compressed(Fp.toBytes(x), y > HALF);
};

/** 96 bytes of a point that the caller knows to be in the group. */
export const encodeG2 = (point: G2Point): Uint8Array => {
  if (point.is0()) return infinity(96);
  const { x, y } = point.toAffine();
  const bytes = Buffer.concat([Fp.toBytes(x.c1), Fp.toBytes(x.c0)]);
  return compressed(bytes, y.c1 === 0n ? y.c0 > HALF : y.c1 > HALF);
};

/** The curve's parameter x; the order of the group is x^4 - x^2 + 1. */
const X = 0xd201000000010000n;
const X_SQUARED = X * X;
/** A cube root of one: (x, y) -> (BETA x, y) multiplies points of the group by -x^2. */
const BETA = 0x5f19672fdf76ce51ba69c6076a0f77eaddb3a93be6f89688de17d813620a00022e01fffffffefffen;

/** Uniform in 0..x^2-1 but for 2^-128. */
const half = (): bigint => BigInt(`0x${randomBytes(32).toString('hex')}`) % X_SQUARED;

/** A scalar r from a secure generator (uniform but for 2^-126), and r times `point`. */
export const randomMultiple = (
  point: G1Point,
): { readonly scalar: bigint; readonly multiple: G1Point } => {
  const [a, b] = [half(), half()];
  const image = new G1.Point(Fp.mul(point.X, BETA), point.Y, point.Z);
  return { scalar: Fr.create(a - b * X_SQUARED), multiple: point.mulAddUnsafe(a, image, b) };
};

/** Scalar times the generator of G1. */
export const baseMultiple = (scalar: bigint): G1Point => G1.Point.BASE.multiplyUnsafe(scalar);

/** Width of the windows of a table that is built once and used a few times to a dozen. */
const TABLE_WINDOW = 3;

/**
 * The same point with a table of multiples, built on first use: for a point that is multiplied more
 * than twice.
 */
export const withTable = (point: G2Point): G2Point => {
  const own = G2.Point.fromAffine(point.toAffine());
  own.precompute(TABLE_WINDOW);
  return own;
};
