/**
 * @module Wallet and session signatures. Ed25519 uses the system's library, which accepts less than
 * the chain does (RFC 8032 without cofactor, against ZIP 215). A signature that it accepts is
 * valid; a signature that it refuses goes to the slow, exact check.
 */
import { createPublicKey, verify } from 'node:crypto';
import { bcs } from '@mysten/sui/bcs';
import {
  messageWithIntent,
  parseSerializedSignature,
  type IntentScope,
} from '@mysten/sui/cryptography';
import { Ed25519PublicKey } from '@mysten/sui/keypairs/ed25519';
import { toBase64 } from '@mysten/sui/utils';
import { verifyPersonalMessageSignature, verifyTransactionSignature } from '@mysten/sui/verify';
import { ed25519 } from '@noble/curves/ed25519.js';
import { blake2b256 } from './chain/objects.ts';

/** The fixed start of an Ed25519 key in SubjectPublicKeyInfo form (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

const verifyNative = (signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean => {
  if (key.length !== 32 || signature.length !== 64) return false;
  const der = Buffer.concat([SPKI_HEAD, key]);
  return verify(
    null,
    message,
    createPublicKey({ key: der, format: 'der', type: 'spki' }),
    signature,
  );
};

/**
 * Ed25519 as Sui and Seal check it (ZIP 215). False, never an error, for malformed keys and
 * signatures.
 */
export const verifyEd25519 = (
  signature: Uint8Array,
  message: Uint8Array,
  key: Uint8Array,
): boolean => {
  if (verifyNative(signature, message, key)) return true;
  try {
    return ed25519.verify(signature, message, key);
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
};

/**
 * The signer's key, if this is a serialised Ed25519 signature that the system's library accepts.
 */
const nativeSigner = (
  scope: IntentScope,
  message: Uint8Array,
  serialized: string,
): Ed25519PublicKey | undefined => {
  const parsed = parseSerializedSignature(serialized);
  if (parsed.signatureScheme !== 'ED25519') return undefined;
  const digest = blake2b256(messageWithIntent(scope, message));
  return verifyNative(parsed.signature, digest, parsed.publicKey)
    ? new Ed25519PublicKey(parsed.publicKey)
    : undefined;
};

/**
 * The address that signed a transaction, whatever the signature scheme.
 *
 * @throws {Error} when the signature is malformed or does not verify.
 */
export const transactionSigner = async (
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<string> => {
  const serialized = toBase64(signature);
  const key =
    nativeSigner('TransactionData', bytes, serialized) ??
    (await verifyTransactionSignature(bytes, serialized));
  return key.toSuiAddress();
};

/**
 * Checks that `address` signed a personal message.
 *
 * @throws {Error} when the signature is malformed, does not verify or is another address's.
 */
export const checkPersonalMessage = async (
  message: Uint8Array,
  serialized: string,
  address: string,
): Promise<void> => {
  const wrapped = bcs
    .byteVector()
    .serialize(message, { maxSize: message.length + 8 })
    .toBytes();
  const key = nativeSigner('PersonalMessage', wrapped, serialized);
  if (key?.toSuiAddress() === address) return;
  await verifyPersonalMessageSignature(message, serialized, { address });
};
