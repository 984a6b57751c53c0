/**
 * @module BLS12-381 of `@noble/curves` with memoised results, for the Seal SDKs of many
 * participants in one thread. Members of a cohort verify and use the same keys of the same key
 * servers, so identical inputs are computed once. Every participant still queries the key servers
 * under its own identity and checks the answers; only results of pure functions are shared.
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
