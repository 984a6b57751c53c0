/**
 * @module The AccessGate port: who may open a key. The blob holds the ciphertext, the gate holds
 * the key (envelope encryption). Locally the gate is a list of sealed boxes; with Seal it is a
 * policy on chain.
 */
import { sha256, utf8 } from '../bytes.ts';
import { encodeCbor } from '../wire/cbor.ts';

/** What a key is for; an envelope opens only for the purpose it was made for. */
export interface KeyPurpose {
  /** Hash of the run specification, 32 bytes. */
  readonly run: Uint8Array;
  readonly attempt: number;
  readonly role: 'model' | 'bundle' | 'update';
}

/** A hash of everything the key is for, so that a key of one purpose is never one of another. */
export const purposeHash = (purpose: KeyPurpose): Uint8Array =>
  sha256(
    utf8('floe/key-purpose/v1'),
    encodeCbor({ run: purpose.run, attempt: purpose.attempt, role: purpose.role }),
  );

export interface AccessGate {
  /** `sealed-box`, `seal`...: named in the first lines of output. */
  readonly kind: string;
  /**
   * Whether policies on chain decide who opens a key, so that the `access` of a specification means
   * something.
   */
  readonly policies: boolean;
  /** Ed25519 public key of the identity that {@link AccessGate.unwrap} opens with. */
  readonly reader: Uint8Array;
  /**
   * Wraps a 32-byte key so that only `readers` (Ed25519 public keys) can open it, and whom the
   * run's `access` admits.
   * @param cohortOf the attempt in whose cohort, or an earlier one, readers have to be, where the
   * gate is a policy on chain and knows them as cohort and auditors only; the purpose's attempt
   * where missing
   * @throws FloeError `key_invalid`, `gate_unavailable`
   */
  wrap(
    key: Uint8Array,
    purpose: KeyPurpose,
    readers: readonly Uint8Array[],
    cohortOf?: number,
  ): Promise<Uint8Array>;
  /**
   * Opens an envelope with the identity this gate was made for.
   * @throws FloeError `access_denied` when the identity is not among the readers,
   * `gate_unavailable` when those who hold the keys do not answer, `envelope_malformed` otherwise
   */
  unwrap(envelope: Uint8Array, purpose: KeyPurpose): Promise<Uint8Array>;
}
