/**
 * @module All randomness of a devnet, derived from its seed, so two devnets with one seed are
 * identical. Keys of a devnet protect no assets: anyone with the seed can derive them.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { addressOf, blake2b256 } from './chain/objects.ts';

const text = new TextEncoder();

/** 32 bytes for a label under a seed. */
export const derive = (seed: Uint8Array, label: string): Uint8Array =>
  blake2b256(text.encode('floe devnet seed'), seed, text.encode(label));

/** The 32-byte form of a seed given as text or a number. */
export const seedBytes = (seed: string | number): Uint8Array =>
  blake2b256(text.encode(`floe devnet|${typeof seed}|${seed}`));

export const deriveId = (seed: Uint8Array, label: string): string => addressOf(derive(seed, label));

export const deriveKeypair = (seed: Uint8Array, label: string): Ed25519Keypair =>
  Ed25519Keypair.fromSecretKey(derive(seed, label));

/** A BLS12-381 secret scalar, 32 bytes, never zero. */
export const deriveScalar = (seed: Uint8Array, label: string): Uint8Array => {
  const wide = Buffer.concat([derive(seed, `${label} a`), derive(seed, `${label} b`)]);
  return bls12_381.utils.randomSecretKey(wide.subarray(0, 48));
};
