/**
 * @module A certificate from the confirmations of storage nodes. The aggregate of all signatures
 * over one message needs one verification instead of one for each node.
 */
import { bls12381_min_pk_aggregate, bls12381_min_pk_verify_aggregate } from '@mysten/walrus-wasm';
import { fromBase64, toBase64 } from '@mysten/sui/utils';

/** What a node signed; null where it did not answer. */
export type Confirmation = {
  readonly serializedMessage: string;
  readonly signature: string;
} | null;

export interface Certificate {
  /** Indices of the nodes in the committee. */
  readonly signers: number[];
  readonly serializedMessage: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * The certificate of all nodes that confirmed `message`.
 *
 * @param keys public keys of the committee, in its order, as the confirmations are
 * @returns undefined when there is no quorum of nodes, or when any of the signatures is wrong
 */
export const certificateOf = (
  confirmations: readonly Confirmation[],
  message: Uint8Array,
  keys: readonly Uint8Array[],
): Certificate | undefined => {
  const wanted = toBase64(message);
  const signatures: Uint8Array[] = [];
  const signers: number[] = [];
  confirmations.forEach((confirmation, index) => {
    if (confirmation?.serializedMessage !== wanted) return;
    signers.push(index);
    signatures.push(fromBase64(confirmation.signature));
  });
  if (3 * signers.length < 2 * keys.length + 1) return undefined;
  const signed = signers.map((index) => keys[index] ?? new Uint8Array());
  try {
    const signature = bls12381_min_pk_aggregate(signatures);
    return bls12381_min_pk_verify_aggregate(signed, message, signature)
      ? { signers, serializedMessage: message, signature }
      : undefined;
  } catch (error) {
    // Bytes that are no signature at all.
    if (error instanceof Error) return undefined;
    throw error;
  }
};
