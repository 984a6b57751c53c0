/**
 * @module What two X25519 keys agree on, shown to everybody with a proof and without either secret:
 * a complaint opens one entry with it and no other. Proof of equal discrete logarithms (Chaum and
 * Pedersen 1992), made non-interactive by a hash (Fiat and Shamir 1986), on the Edwards form of the
 * curve (RFC 7748, section 4.1).
 *
 * An X25519 key is the u-coordinate of a point up to its sign and, from a liar, up to a part of
 * small order. So every key is lifted to the point with the even x, the own scalar is negated where
 * that is the other one, and of the peer only the part in the main subgroup counts, which is all
 * that a clamped scalar leaves of it.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { concatBytes, equalBytes, sha256, utf8 } from '../bytes.ts';

const { Point } = ed25519;
type EdwardsPoint = typeof Point.BASE;

const PRIME = Point.Fp.ORDER;
/** L, the order of the main subgroup. */
const ORDER = Point.Fn.ORDER;
const COFACTOR_INVERSE = Point.Fn.inv(8n);
const BYTES = 32;
/** Point, challenge, response. */
export const SHOWN_POINT_BYTES = 3 * BYTES;

const toNumber = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

const toBytes = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: BYTES }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/**
 * The point with even x of an X25519 key; undefined where the key is on the twist of the curve, as
 * no honest one is.
 */
const lift = (key: Uint8Array): EdwardsPoint | undefined => {
  const { Fp } = Point;
  const u = toNumber(key.with(31, key[31]! & 0x7f)) % PRIME;
  if (u === PRIME - 1n) return undefined;
  const y = Fp.mul(Fp.sub(u, 1n), Fp.inv(Fp.add(u, 1n)));
  try {
    return Point.fromBytes(toBytes(y));
  } catch {
    // The library's one reason here: no x belongs to this y.
    return undefined;
  }
};

/** The part of a peer's key that agreements depend on; undefined where there is none. */
const mainPart = (key: Uint8Array): EdwardsPoint | undefined => {
  const cleared = lift(key)?.clearCofactor();
  return cleared === undefined || cleared.is0() ? undefined : cleared.multiply(COFACTOR_INVERSE);
};

/** Whether agreements with this key can be shown: of every key that comes from a secret. */
export const canBeShown = (key: Uint8Array): boolean => mainPart(key) !== undefined;

/** Below L; 64 bytes of hash, so that its bias is of no account. */
const scalarOf = (tag: string, ...parts: readonly Uint8Array[]): bigint => {
  const half = (index: number): Uint8Array =>
    sha256(utf8(`floe/secagg/shown-point/${tag}/${index}/v1`), ...parts);
  return toNumber(concatBytes(half(0), half(1))) % ORDER;
};

const clamped = (secret: Uint8Array): bigint => {
  const bytes = secret.slice();
  bytes[0]! &= 0xf8;
  bytes[31] = (bytes[31]! & 0x7f) | 0x40;
  return toNumber(bytes);
};

const challengeOf = (
  own: EdwardsPoint,
  peer: EdwardsPoint,
  shared: EdwardsPoint,
  first: EdwardsPoint,
  second: EdwardsPoint,
): bigint =>
  scalarOf(
    'challenge',
    ...[own, peer, shared, first, second].map((point) => new Uint8Array(point.toBytes())),
  );

/**
 * Shows what the key of `secret` and `peer` agree on.
 * @param secret 32 bytes, the scalar before clamping @param own its public key @param peer the
 * other public key
 * @returns 96 bytes; undefined where the peer's key is none that a secret gives
 */
export const showPoint = (
  secret: Uint8Array,
  own: Uint8Array,
  peer: Uint8Array,
): Uint8Array | undefined => {
  const [ownPoint, peerPoint] = [lift(own), mainPart(peer)];
  if (ownPoint === undefined || peerPoint === undefined) return undefined;
  const scalar = clamped(secret) % ORDER;
  const even = Point.BASE.multiply(scalar).equals(ownPoint);
  const exponent = even ? scalar : ORDER - scalar;
  const shared = peerPoint.multiply(exponent);
  const blind = scalarOf('blind', secret, own, peer);
  const [first, second] = [Point.BASE.multiply(blind), peerPoint.multiply(blind)];
  const challenge = challengeOf(ownPoint, peerPoint, shared, first, second);
  const response = (blind + challenge * exponent) % ORDER;
  return concatBytes(new Uint8Array(shared.toBytes()), toBytes(challenge), toBytes(response));
};

/**
 * What `own` and `peer` agree on, as X25519 gives it (32 bytes), where `shown` proves it; else
 * undefined.
 * @param shown from {@link showPoint}, of any length
 */
export const readShownPoint = (
  shown: Uint8Array,
  own: Uint8Array,
  peer: Uint8Array,
): Uint8Array | undefined => {
  const [ownPoint, peerPoint] = [lift(own), mainPart(peer)];
  if (ownPoint === undefined || peerPoint === undefined) return undefined;
  if (shown.length !== SHOWN_POINT_BYTES) return undefined;
  const part = (index: number): Uint8Array => shown.subarray(BYTES * index, BYTES * (index + 1));
  const [challenge, response] = [toNumber(part(1)), toNumber(part(2))];
  if ([challenge, response].some((value) => value === 0n || value >= ORDER)) return undefined;
  let shared: EdwardsPoint;
  try {
    shared = Point.fromBytes(part(0));
  } catch {
    return undefined;
  }
  // A part of small order would change what X25519 gives, and no proof would notice.
  if (shared.is0() || !shared.isTorsionFree()) return undefined;
  const first = Point.BASE.multiply(response).subtract(ownPoint.multiply(challenge));
  const second = peerPoint.multiply(response).subtract(shared.multiply(challenge));
  if (challengeOf(ownPoint, peerPoint, shared, first, second) !== challenge) return undefined;
  const point = ed25519.utils.toMontgomery(new Uint8Array(shared.toBytes()));
  return equalBytes(point, new Uint8Array(BYTES)) ? undefined : new Uint8Array(point);
};
