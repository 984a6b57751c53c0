/**
 * @module The signer that Sui's SDKs want, derived from a Floe identity: the same Ed25519 key, so
 * the same address. It holds no secret; the identity signs the digests (BLAKE2b-256 over intent and
 * message, Sui documentation, intent signing).
 */
import { Signer } from '@mysten/sui/cryptography';
import { Ed25519PublicKey } from '@mysten/sui/keypairs/ed25519';
import type { Identity } from '../../ports/identity.ts';

class IdentitySigner extends Signer {
  readonly #identity: Identity;

  constructor(identity: Identity) {
    super();
    this.#identity = identity;
  }

  override async sign(digest: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(this.#identity.signDigest(digest));
  }

  override getKeyScheme(): 'ED25519' {
    return 'ED25519';
  }

  override getPublicKey(): Ed25519PublicKey {
    return new Ed25519PublicKey(this.#identity.publicKey);
  }
}

/** Pays, signs transactions and asks Seal for keys as this identity. */
export const suiSignerOf = (identity: Identity): Signer => new IdentitySigner(identity);
