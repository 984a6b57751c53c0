/**
 * @module The key server's side of Boneh-Franklin identity-based encryption on BLS12-381 (Boneh and
 * Franklin, CRYPTO 2001), in the instantiation of Seal: master key times the hash of the identity,
 * handed out under ElGamal to a one-time key.
 */
import { bls12_381, randomMultiple, scalarFromBytes, type G1Point } from '../bls12-381.ts';
import { addressBytes } from '../chain/objects.ts';

const { G1, G2 } = bls12_381;
const text = new TextEncoder();
const IDENTITY_DOMAIN = text.encode('SUI-SEAL-IBE-BLS12381-00');
const POSSESSION_DOMAIN = text.encode('SUI-SEAL-IBE-BLS12381-POP-00');

/** The master public key, 96 bytes, of a 32-byte master secret. */
export const masterPublicKey = (secretKey: Uint8Array): Uint8Array =>
  G2.Point.BASE.multiply(scalarFromBytes(secretKey)).toBytes();

/** A package id and the identity inside it, as the servers see an identity. */
export const fullIdentity = (packageId: string, innerId: Uint8Array): Uint8Array =>
  Buffer.concat([addressBytes(packageId), innerId]);

/** The secret key of an identity. */
export const extract = (secretKey: Uint8Array, identity: Uint8Array): G1Point => {
  const hashed = G1.hashToCurve(Buffer.concat([IDENTITY_DOMAIN, identity]));
  return hashed.multiply(scalarFromBytes(secretKey));
};

/**
 * A client's one-time key.
 *
 * @throws {Error} when the bytes are not a point of the right order, or the identity.
 */
export const decodeEncryptionKey = (bytes: Uint8Array): G1Point => {
  const point = G1.Point.fromBytes(bytes);
  if (point.is0()) throw new Error('expected an encryption key that is not the identity');
  return point;
};

/** Encrypts a user secret key to a client's one-time key (ElGamal in G1): 48 and 48 bytes. */
export const encryptKey = (
  key: G1Point,
  encryptionKey: G1Point,
): readonly [Uint8Array, Uint8Array] => {
  const { scalar, multiple } = randomMultiple(encryptionKey);
  return [G1.Point.BASE.multiply(scalar).toBytes(), key.add(multiple).toBytes()];
};

/**
 * Proof that a server holds the master key it is registered with: a signature over its public key
 * and object id.
 */
export const proofOfPossession = (secretKey: Uint8Array, objectId: string): Uint8Array => {
  const message = Buffer.concat([
    POSSESSION_DOMAIN,
    masterPublicKey(secretKey),
    addressBytes(objectId),
  ]);
  return G1.hashToCurve(message).multiply(scalarFromBytes(secretKey)).toBytes();
};
