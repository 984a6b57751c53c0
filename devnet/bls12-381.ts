/**
 * @module BLS12-381 in WebAssembly (mcl), with the methods that the Seal SDK calls on the curve of
 * `@noble/curves`: the same encodings, the same hash to the curve (RFC 9380), the same pairing, at
 * a fifth of the time. The library brings its code inside its package and downloads nothing. It is
 * not constant-time: keys of a devnet guard nothing.
 */
import { randomBytes } from 'node:crypto';
import { hash_to_field } from '@noble/curves/abstract/hash-to-curve.js';
import { sha256 } from '@noble/hashes/sha2.js';
import mcl from 'mcl-wasm';

/** The library's state is that of the thread: one curve, big-endian encodings, orders checked. */
await mcl.init(mcl.BLS12_381);
mcl.setETHserialization(true);
mcl.setMapToMode(mcl.IRTF);
mcl.verifyOrderG1(true);
mcl.verifyOrderG2(true);

const FIELD =
  0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;
/** The order of the groups. */
export const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
const SCALAR_BYTES = 32;
/** Bytes of a coordinate. */
const COORDINATE = 48;

/** A point of one of the groups; it never changes. */
export interface Point<Native = unknown> {
  /** The library's own. */
  readonly native: Native;
  /** The compressed form. */
  toBytes(): Uint8Array;
  /** @param scalar from 1 to the order less 1. @throws {RangeError} for any other */
  multiply(scalar: bigint): Point<Native>;
  add(other: Point<Native>): Point<Native>;
  subtract(other: Point<Native>): Point<Native>;
  negate(): Point<Native>;
  equals(other: Point<Native>): boolean;
  is0(): boolean;
  /** Itself: what `fromAffine` takes. */
  toAffine(): Point<Native>;
}
export type G1Point = Point<InstanceType<typeof mcl.G1>>;
export type G2Point = Point<InstanceType<typeof mcl.G2>>;

/** An element of the target group. */
export interface Pairing {
  /** 576 bytes, in the order of `@noble/curves`. */
  readonly bytes: Uint8Array;
}

const fieldOf = (value: bigint): InstanceType<typeof mcl.Fp> => {
  const field = new mcl.Fp();
  field.setStr(value.toString(16), 16);
  return field;
};

const scalarOf = (value: bigint): InstanceType<typeof mcl.Fr> => {
  if (value <= 0n || value >= ORDER) throw new RangeError('expected a scalar from 1 to the order');
  const scalar = new mcl.Fr();
  scalar.setStr(value.toString(16), 16);
  return scalar;
};

/** A scalar of 32 bytes, big-endian. */
export const scalarFromBytes = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

type NativeG1 = InstanceType<typeof mcl.G1>;
type NativeG2 = InstanceType<typeof mcl.G2>;

const wrapG1 = (native: NativeG1): G1Point => ({
  native,
  toBytes: () => native.serialize(),
  multiply: (scalar) => wrapG1(mcl.mul(native, scalarOf(scalar))),
  add: (other) => wrapG1(mcl.add(native, other.native)),
  subtract: (other) => wrapG1(mcl.sub(native, other.native)),
  negate: () => wrapG1(mcl.neg(native)),
  equals: (other) => native.isEqual(other.native),
  is0: () => native.isZero(),
  toAffine() {
    return this;
  },
});

const wrapG2 = (native: NativeG2): G2Point => ({
  native,
  toBytes: () => native.serialize(),
  multiply: (scalar) => wrapG2(mcl.mul(native, scalarOf(scalar))),
  add: (other) => wrapG2(mcl.add(native, other.native)),
  subtract: (other) => wrapG2(mcl.sub(native, other.native)),
  negate: () => wrapG2(mcl.neg(native)),
  equals: (other) => native.isEqual(other.native),
  is0: () => native.isZero(),
  toAffine() {
    return this;
  },
});

/**
 * A compressed point: of the right length, canonical, on the curve and in the group.
 *
 * @throws {Error} for any other bytes
 */
const decode = <Native extends NativeG1 | NativeG2>(
  native: Native,
  bytes: Uint8Array,
  length: number,
): Native => {
  if (bytes.length !== length) throw new Error(`expected ${length} bytes, got ${bytes.length}`);
  native.deserialize(bytes);
  // The library reads some encodings that it does not write.
  if (Buffer.compare(native.serialize(), bytes) !== 0)
    throw new Error('expected a canonical point');
  return native;
};

const g1FromBytes = (bytes: Uint8Array): G1Point => wrapG1(decode(new mcl.G1(), bytes, COORDINATE));
const g2FromBytes = (bytes: Uint8Array): G2Point =>
  wrapG2(decode(new mcl.G2(), bytes, 2 * COORDINATE));

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const G1_BASE = g1FromBytes(
  hex(
    '97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb',
  ),
);
const G2_BASE = g2FromBytes(
  hex(
    '93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e' +
      '024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8',
  ),
);

const hashOptions = (group: 'G1' | 'G2') =>
  ({
    DST: `BLS_SIG_BLS12381${group}_XMD:SHA-256_SSWU_RO_NUL_`,
    p: FIELD,
    m: group === 'G1' ? 1 : 2,
    k: 128,
    expand: 'xmd',
    hash: sha256,
  }) as const;

const hashToG1 = (data: Uint8Array): G1Point => {
  const [one, two] = hash_to_field(data, 2, hashOptions('G1')).map(([value]) =>
    fieldOf(value ?? 0n).mapToG1(),
  );
  return wrapG1(mcl.add(one as NativeG1, two as NativeG1));
};

const hashToG2 = (data: Uint8Array): G2Point => {
  const [one, two] = hash_to_field(data, 2, hashOptions('G2')).map(([real, imaginary]) => {
    const element = new mcl.Fp2();
    element.set_a(fieldOf(real ?? 0n));
    element.set_b(fieldOf(imaginary ?? 0n));
    return element.mapToG2();
  });
  return wrapG2(mcl.add(one as NativeG2, two as NativeG2));
};

/** The library writes the two coordinates of each element of Fp2 in the other order. */
const targetBytes = (serialized: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(serialized.length);
  for (let at = 0; at < bytes.length; at += 2 * COORDINATE) {
    bytes.set(serialized.subarray(at + COORDINATE, at + 2 * COORDINATE), at);
    bytes.set(serialized.subarray(at, at + COORDINATE), at + COORDINATE);
  }
  return bytes;
};

/** Uniform from 1 to the order less 1, but for 2^-128. */
const randomScalar = (): bigint =>
  (BigInt(`0x${randomBytes(COORDINATE).toString('hex')}`) % (ORDER - 1n)) + 1n;

const scalarBytes = (scalar: bigint): Uint8Array =>
  hex(scalar.toString(16).padStart(2 * SCALAR_BYTES, '0'));

export const bls12_381 = {
  G1: {
    Point: { BASE: G1_BASE, fromBytes: g1FromBytes, fromAffine: (point: G1Point) => point },
    hashToCurve: hashToG1,
  },
  G2: {
    Point: { BASE: G2_BASE, fromBytes: g2FromBytes, fromAffine: (point: G2Point) => point },
    hashToCurve: hashToG2,
  },
  pairing: (p: G1Point, q: G2Point): Pairing => ({
    bytes: targetBytes(mcl.pairing(p.native, q.native).serialize()),
  }),
  fields: {
    Fr: { ORDER },
    Fp12: {
      toBytes: ({ bytes }: Pairing): Uint8Array => bytes,
      eql: (one: Pairing, other: Pairing): boolean => Buffer.compare(one.bytes, other.bytes) === 0,
    },
  },
  utils: { randomSecretKey: (): Uint8Array => scalarBytes(randomScalar()) },
} as const;

/** A scalar from a secure generator, and that multiple of `point`. */
export const randomMultiple = (
  point: G1Point,
): { readonly scalar: bigint; readonly multiple: G1Point } => {
  const scalar = randomScalar();
  return { scalar, multiple: point.multiply(scalar) };
};
