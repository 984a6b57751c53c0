/**
 * @module BLS12-381 for the Seal SDKs of the parties of a simulation: that of the devnet, with
 * memoised results. Members of a cohort verify and use the same keys of the same key servers, so
 * identical inputs are computed once in a thread. Every participant still queries the key servers
 * under its own identity and checks the answers; only results of pure functions are shared.
 */
import { bls12_381 as fast, type G1Point, type G2Point } from 'floe-devnet/bls12-381';
import { toHex } from '../../protocol/bytes.ts';
import { memoized } from './memo.ts';

/** A round needs two names of three servers, with three pairings for each key. */
const KEPT = 256;

export const bls12_381 = {
  ...fast,
  pairing: memoized(
    (p: G1Point, q: G2Point) => fast.pairing(p, q),
    (p, q) => toHex(p.toBytes()) + toHex(q.toBytes()),
    KEPT,
  ),
  G1: {
    Point: { ...fast.G1.Point, fromBytes: memoized(fast.G1.Point.fromBytes, toHex, KEPT) },
    hashToCurve: memoized(fast.G1.hashToCurve, toHex, KEPT),
  },
  G2: {
    Point: { ...fast.G2.Point, fromBytes: memoized(fast.G2.Point.fromBytes, toHex, KEPT) },
    hashToCurve: memoized(fast.G2.hashToCurve, toHex, KEPT),
  },
};
