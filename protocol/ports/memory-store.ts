/**
 * @module A BlobStore in memory, for tests and for programs that keep a run to themselves.
 */
import { ownBytes, sha256, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { checkBlob, checkRange, checkRangeLength, type BlobStore } from './blob-store.ts';
import type { BlobRemoval } from './upload-staging.ts';

export const memoryStore = (
  maxBytes = 2 ** 31,
): BlobStore & BlobRemoval & { readonly blobs: Map<string, Uint8Array> } => {
  const blobs = new Map<string, Uint8Array>();
  return {
    kind: 'memory',
    blobs,
    put: async (bytes, { signal, sha256: known } = {}) => {
      signal?.throwIfAborted();
      if (bytes.length > maxBytes)
        throw new FloeError(
          'blob_too_large',
          `expected at most ${maxBytes} bytes, got ${bytes.length}`,
        );
      const hash = known ?? sha256(bytes);
      const id = toHex(hash);
      blobs.set(id, ownBytes(bytes));
      return { id, sha256: hash, size: bytes.length };
    },
    get: async (ref, { signal } = {}) => {
      signal?.throwIfAborted();
      const bytes = blobs.get(ref.id);
      if (bytes === undefined)
        throw new FloeError('blob_not_found', `no blob ${ref.id}`, { blob: ref.id });
      return checkBlob(ref, ownBytes(bytes));
    },
    discard: async (refs) => {
      for (const { id } of refs) blobs.delete(id);
    },
    getRange: async (ref, start, end, { signal } = {}) => {
      signal?.throwIfAborted();
      checkRange(ref, start, end);
      const bytes = blobs.get(ref.id);
      if (bytes === undefined)
        throw new FloeError('blob_not_found', `no blob ${ref.id}`, { blob: ref.id });
      return checkRangeLength(ref, start, end, bytes.slice(start, end));
    },
  };
};
