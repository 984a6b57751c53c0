/**
 * @module Cryptographic natives of `0x2`, on @noble and, for BLS, the library that Walrus's own
 * nodes use. A verification answers false to malformed keys and signatures, as on chain.
 */
import { bls12381_min_pk_verify } from '@mysten/walrus-wasm';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256, sha3_256 } from '@noble/hashes/sha3.js';
import { Lru } from '../../lru.ts';
import { abort } from '../fault.ts';
import type { NativeArguments, NativeFunction, NativeTable } from './native.ts';

/** Gas of one verification, about its share of time against a step. */
const VERIFY_STEPS = 20_000;
const PAIRING_STEPS = 400_000;
const GROUP_STEPS = 2_000;

const digest =
  (hash: (bytes: Uint8Array) => Uint8Array): NativeFunction =>
  ({ machine }, args) => {
    const bytes = args.bytes(0);
    machine.charge(8 + (bytes.length >> 3));
    return Array.from(hash(bytes));
  };

/** Libraries throw on bytes that are no key or no signature; on chain that is the answer false. */
const verdict = (check: () => boolean): boolean => {
  try {
    return check();
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
};

const verify =
  (steps: number, check: (args: NativeArguments) => boolean): NativeFunction =>
  ({ machine }, args) => {
    machine.charge(steps);
    return verdict(() => check(args));
  };

/** Group of `sui::group_ops` by its number; the devnet knows G1. */
const groupPoint = (group: number, bytes: Uint8Array) => {
  if (group !== 1) throw new Error(`group ${group} is not known here`);
  return bls12_381.G1.Point.fromBytes(bytes);
};

/**
 * A dry run and the execution after it ask the same; a pairing costs as much as thousands of
 * transactions.
 */
const verdicts = new Lru<boolean>(256);
/** Sums of points: a committee's key is added up anew for every certificate. */
const sums = new Lru<readonly number[]>(1_024);
const nameOf = (...parts: readonly Uint8Array[]): string =>
  parts.map((bytes) => Buffer.from(bytes).toString('base64')).join();

export const cryptoNatives: NativeTable = {
  '0x2::hash::blake2b256': digest((bytes) => blake2b(bytes, { dkLen: 32 })),
  '0x2::hash::keccak256': digest(keccak_256),
  '0x2::hmac::hmac_sha3_256': ({ machine }, args) => {
    machine.charge(16 + (args.bytes(1).length >> 3));
    return Array.from(hmac(sha3_256, args.bytes(0), args.bytes(1)));
  },
  '0x2::ed25519::ed25519_verify': verify(VERIFY_STEPS, (args) =>
    ed25519.verify(args.bytes(0), args.bytes(2), args.bytes(1), { zip215: false }),
  ),
  /** Hash 0 is keccak256, 1 is sha256; only low s is accepted. */
  '0x2::ecdsa_k1::secp256k1_verify': verify(VERIFY_STEPS, (args) => {
    const hash = args.value(3) === 0 ? keccak_256 : sha256;
    const key = args.bytes(1);
    if (key.length !== 33) return false;
    return secp256k1.verify(args.bytes(0), hash(args.bytes(2)), key, { prehash: false });
  }),
  '0x2::bls12381::bls12381_min_sig_verify': verify(PAIRING_STEPS, (args) => {
    const { shortSignatures } = bls12_381;
    return shortSignatures.verify(
      args.bytes(0),
      shortSignatures.hash(args.bytes(2)),
      args.bytes(1),
    );
  }),
  '0x2::bls12381::bls12381_min_pk_verify': verify(PAIRING_STEPS, (args) => {
    const [signature, key, message] = [args.bytes(0), args.bytes(1), args.bytes(2)];
    return verdicts.getOrCreate(nameOf(signature, key, message), () =>
      bls12381_min_pk_verify(signature, key, message),
    );
  }),
  '0x2::group_ops::internal_validate': verify(VERIFY_STEPS, (args) => {
    groupPoint(Number(args.value(0)), args.bytes(1)).assertValidity();
    return true;
  }),
  '0x2::group_ops::internal_add': ({ machine }, args) => {
    machine.charge(GROUP_STEPS);
    const group = Number(args.value(0));
    const [one, two] = [args.bytes(1), args.bytes(2)];
    try {
      const sum = sums.getOrCreate(`${group} ${nameOf(one, two)}`, () =>
        Array.from(groupPoint(group, one).add(groupPoint(group, two)).toBytes()),
      );
      return [...sum];
    } catch (error) {
      if (error instanceof Error) throw abort(1n, `not a point: ${error.message}`);
      throw error;
    }
  },
};
