/**
 * @module The blobs that this process has received and checked: their bytes matched the hash in
 * their id when they were stored. Such an upload is folded without a second hash over the whole
 * blob; its leaves are hashed at the fold in any case. The set is empty after a restart: then every
 * upload is hashed again.
 */
import { toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/ports/blob-store.ts';

export interface Received {
  /**
   * Bytes with this hash were checked and stored under its hex.
   * @param sha256 32 bytes
   * @param size of the bytes: a record that names less of them names another blob
   */
  note(sha256: Uint8Array, size: number): void;
  /** Whether this very blob was checked here. */
  has(ref: BlobRef): boolean;
}

/** More than the uploads of one attempt; the oldest is forgotten first. */
const MAX_KEPT = 1024;

const nameOf = (sha256: Uint8Array, size: number): string => `${toHex(sha256)}/${size}`;

export const createReceived = (): Received => {
  const kept = new Set<string>();
  return {
    note: (sha256, size) => {
      kept.add(nameOf(sha256, size));
      const [oldest] = kept;
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    },
    has: ({ id, sha256, size }) => id === toHex(sha256) && kept.has(nameOf(sha256, size)),
  };
};
