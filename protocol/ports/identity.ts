/**
 * @module Identity: one Ed25519 key (RFC 8032) per participant, coordinator or auditor. The same
 * key signs records and logins, gives an address, and, mapped to X25519, opens sealed boxes
 * (libsodium). Every signature covers a domain tag. `net/sui/signer.ts` derives the signer of Sui's
 * SDKs.
 */
import sodium from 'libsodium-wrappers';
import { concatBytes, equalBytes, toHex, utf8 } from '../bytes.ts';
import { signerOf, verifyEd25519 } from '../records/ed25519.ts';
import { FloeError } from '../errors.ts';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export interface Identity {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** `0x` and 64 hex digits; see {@link addressOf}. */
  readonly address: string;
  /** Signs `payload` under the domain `floe/<tag>/v1`; 64 bytes. */
  sign(tag: string, payload: Uint8Array): Uint8Array;
  /** Signs a Sig_structure of COSE (RFC 9052, section 4.4) as it is; 64 bytes. See `cose.ts`. */
  signCose(structure: Uint8Array): Uint8Array;
  /** Opens a box made by {@link sealTo} for this key. @throws FloeError `decryption_failed` */
  openSealed(box: Uint8Array): Uint8Array;
  /**
   * Signs a 32-byte digest as it is, for a protocol that separates its domains itself, such as a
   * chain whose addresses are Ed25519 keys; 64 bytes. @throws FloeError `internal` on any other
   * length
   */
  signDigest(digest: Uint8Array): Uint8Array;
}

/** Sui's address of an Ed25519 key: BLAKE2b-256 over the scheme flag 0x00 and the key. */
export const addressOf = (publicKey: Uint8Array): string =>
  `0x${toHex(sodium.crypto_generichash(32, concatBytes(new Uint8Array([0]), publicKey), null))}`;

const domain = (tag: string, payload: Uint8Array): Uint8Array =>
  concatBytes(utf8(`floe/${tag}/v1`), new Uint8Array([0]), payload);

/** How every Sig_structure of COSE_Sign1 begins: no domain of {@link domain} begins so. */
const SIG_STRUCTURE = concatBytes(new Uint8Array([0x84, 0x6a]), utf8('Signature1'));

/** Only Sig_structures are signed without a domain tag: nothing else may look like one. */
const requireSigStructure = (bytes: Uint8Array): Uint8Array => {
  if (!equalBytes(bytes.subarray(0, SIG_STRUCTURE.length), SIG_STRUCTURE))
    throw new FloeError('internal', 'expected a Sig_structure of COSE_Sign1');
  return bytes;
};

const DOMAIN_START = utf8('floe/');

/** A digest is never also a message of Floe's own: those begin with their domain. */
const requireDigest = (digest: Uint8Array): Uint8Array => {
  const beginsWith = (start: Uint8Array): boolean =>
    equalBytes(digest.subarray(0, start.length), start);
  if (digest.length !== 32 || beginsWith(DOMAIN_START) || beginsWith(SIG_STRUCTURE))
    throw new FloeError('internal', `expected a digest of 32 bytes, got ${digest.length}`);
  return digest;
};

/** Builds the identity of a 32-byte seed. @throws FloeError `key_invalid` on another length */
export const identityFromSeed = async (seed: Uint8Array): Promise<Identity> => {
  await sodium.ready;
  if (seed.length !== 32)
    throw new FloeError('key_invalid', `expected a seed of 32 bytes, got ${seed.length}`);
  const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(seed);
  const sign = signerOf(seed);
  return {
    publicKey,
    address: addressOf(publicKey),
    sign: (tag, payload) => sign(domain(tag, payload)),
    signCose: (structure) => sign(requireSigStructure(structure)),
    signDigest: (digest) => sign(requireDigest(digest)),
    openSealed: (box) => {
      try {
        return sodium.crypto_box_seal_open(
          box,
          sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey),
          sodium.crypto_sign_ed25519_sk_to_curve25519(privateKey),
        );
      } catch (cause) {
        throw new FloeError(
          'decryption_failed',
          'the sealed box does not open with this key',
          {},
          { cause },
        );
      }
    },
  };
};

/** Whether `signature` is `publicKey`'s over `payload` under the tag. Wrong lengths give false. */
export const verifySignature = (
  tag: string,
  payload: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean =>
  signature.length === SIGNATURE_BYTES &&
  publicKey.length === PUBLIC_KEY_BYTES &&
  verifyEd25519(domain(tag, payload), signature, publicKey);

/** Whether `signature` is `publicKey`'s over a Sig_structure of COSE. Wrong lengths give false. */
export const verifyCoseSignature = (
  structure: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean =>
  signature.length === SIGNATURE_BYTES &&
  publicKey.length === PUBLIC_KEY_BYTES &&
  verifyEd25519(requireSigStructure(structure), signature, publicKey);

/**
 * Encrypts `message` so that only the holder of `publicKey` can read it (libsodium sealed box:
 * ephemeral X25519, XSalsa20-Poly1305). @throws FloeError `key_invalid` when the key is not a point
 * of the curve's main subgroup
 */
export const sealTo = (publicKey: Uint8Array, message: Uint8Array): Uint8Array =>
  sodium.crypto_box_seal(message, curveKeyOf(publicKey));

/**
 * The X25519 key of an Ed25519 key. A key with a part of small order signs, to who tries nonces
 * until that part vanishes, and has none: what takes identities checks this first. @throws
 * FloeError `key_invalid`
 */
export const curveKeyOf = (publicKey: Uint8Array): Uint8Array => {
  try {
    return sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey);
  } catch (cause) {
    throw new FloeError(
      'key_invalid',
      'expected an Ed25519 public key of the main subgroup',
      {},
      { cause },
    );
  }
};

/**
 * Resolves when libsodium can be used; call once before {@link verifySignature} or {@link sealTo}.
 */
export const cryptoReady: Promise<void> = sodium.ready;
