/**
 * @module COSE_Sign1 (RFC 9052, section 4.2) with Ed25519 (RFC 9053, section 2.2): a signature over
 * a byte string that is carried as it was signed. A reader verifies the bytes that it received and
 * never encodes anything again. The envelope has one form only: tag 18, algorithm alone in the
 * protected header, an empty unprotected header, so that two envelopes of one signature are the
 * same bytes.
 */
import { encode, decode, rfc8949EncodeOptions } from 'cborg';
import { concatBytes, equalBytes } from '../bytes.ts';
import { BudgetedTokenizer } from '../wire/cbor-budget.ts';
import { FloeError, type ErrorCode } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { verifyCoseSignature } from '../ports/identity.ts';

/** The head of tag 18, COSE_Sign1. */
const TAG = new Uint8Array([0xd2]);
/** {1: -8}: the algorithm is EdDSA. */
const PROTECTED = new Uint8Array([0xa1, 0x01, 0x27]);
const SIGNATURE_BYTES = 64;
const DECODE_OPTIONS = { strict: true, allowIndefinite: false, useMaps: true } as const;
/** A list of four, of which one is an empty map. */
const ENVELOPE = { elements: 5, depth: 2 };
/** What tag, headers and signature add to a payload, at most. */
export const COSE_OVERHEAD = 80;

/** The Sig_structure of RFC 9052, section 4.4: what is signed. */
const signedBytes = (aad: Uint8Array, payload: Uint8Array): Uint8Array =>
  encode(['Signature1', PROTECTED, aad, payload], rfc8949EncodeOptions);

/**
 * Signs `payload`.
 *
 * @param aad what the reader must know beforehand; authenticated, not carried
 * @returns the tagged envelope
 */
export const signCose = (identity: Identity, aad: Uint8Array, payload: Uint8Array): Uint8Array => {
  const signature = identity.signCose(signedBytes(aad, payload));
  const envelope = [PROTECTED, new Map(), payload, signature];
  return concatBytes(TAG, encode(envelope, rfc8949EncodeOptions));
};

/** An envelope taken apart; nothing is verified yet. */
export interface CoseSign1 {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

/**
 * Takes an envelope apart. Lengths must be in their shortest form and the headers empty but for the
 * algorithm. @throws FloeError `code` on anything else
 */
export const openCose = (bytes: Uint8Array, code: ErrorCode): CoseSign1 => {
  let parts: unknown;
  try {
    if (bytes[0] !== TAG[0]) throw new Error('expected tag 18');
    const array = bytes.subarray(1);
    const tokenizer = new BudgetedTokenizer(array, DECODE_OPTIONS, ENVELOPE);
    parts = decode(array, { ...DECODE_OPTIONS, tokenizer });
  } catch (cause) {
    throw new FloeError(code, `not COSE_Sign1: ${(cause as Error).message}`, {}, { cause });
  }
  const list: readonly unknown[] = Array.isArray(parts) ? parts : [];
  const [header, unprotected, payload, signature, ...rest] = list;
  const fits =
    rest.length === 0 &&
    isBytes(header) &&
    equalBytes(header, PROTECTED) &&
    unprotected instanceof Map &&
    unprotected.size === 0 &&
    isBytes(payload) &&
    isBytes(signature) &&
    signature.length === SIGNATURE_BYTES;
  if (!fits) throw new FloeError(code, 'expected COSE_Sign1 with EdDSA and no other header');
  return { payload, signature };
};

/** Whether `author` signed this envelope under `aad`. */
export const verifyCose = (cose: CoseSign1, aad: Uint8Array, author: Uint8Array): boolean =>
  verifyCoseSignature(signedBytes(aad, cose.payload), cose.signature, author);
