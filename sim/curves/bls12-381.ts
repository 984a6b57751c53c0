/**
 * @module BLS12-381 as `@noble/curves` has it, for the Seal SDK of many participants in one thread:
 * members of a cohort verify and use the same keys of the same key servers, each for itself, and
 * what was computed once for the same bytes is not computed again. Every participant still asks the
 * key servers in its own name and checks what it got; nothing is shared but results of pure
 * functions.
 */
import { bls12_381 as noble } from '@noble/curves/bls12-381.js';
import { bytesToHex } from '@noble/curves/utils.js';
import { memoized } from './memo.ts';

/** A round needs two names of three servers, with three pairings for each key. */
const KEPT = 256;

const hex = (bytes: Uint8Array): string => bytesToHex(bytes);

type G1 = typeof noble.G1;
type G2 = typeof noble.G2;

/** The statics of a class of points that the SDK calls; the class itself is frozen. */
const pointsOf = <Point, Affine>(points: {
  readonly BASE: Point;
  fromBytes(bytes: Uint8Array): Point;
  fromAffine(affine: Affine): Point;
}) => ({
  BASE: points.BASE,
  fromAffine: (affine: Affine) => points.fromAffine(affine),
  fromBytes: memoized((bytes: Uint8Array) => points.fromBytes(bytes), hex, KEPT),
});

export const bls12_381 = {
  ...noble,
  pairing: memoized(
    (p: InstanceType<G1['Point']>, q: InstanceType<G2['Point']>) => noble.pairing(p, q),
    (p, q) => hex(p.toBytes()) + hex(q.toBytes()),
    KEPT,
  ),
  G1: {
    ...noble.G1,
    Point: pointsOf(noble.G1.Point),
    hashToCurve: memoized((data: Uint8Array) => noble.G1.hashToCurve(data), hex, KEPT),
  },
  G2: { ...noble.G2, Point: pointsOf(noble.G2.Point) },
};
