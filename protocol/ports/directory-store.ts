/**
 * @module A BlobStore in a directory: one file per blob, named by its SHA-256. The Disk port writes
 * a file whole or not at all. Several processes may share the directory. Node only, unless another
 * Disk is given.
 */
import { sha256, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import {
  checkBlob,
  checkRange,
  checkRangeLength,
  type BlobRef,
  type BlobStore,
} from './blob-store.ts';
import { nodeFiles, type Disk } from './disk.ts';
import type { BlobRemoval } from './upload-staging.ts';

const ID = /^[0-9a-f]{64}$/;
/** Blobs are ciphertext or masked: readable by all, as the umask allows. */
const BLOB_MODE = 0o644;
const FOLDER_MODE = 0o755;

export interface DirectoryStoreOptions {
  /** Largest blob accepted, bytes. Default 2 GiB. */
  readonly maxBytes?: number;
  /** Default: this machine's files, durable. */
  readonly disk?: Disk;
}

const found = (ref: BlobRef, bytes: Uint8Array | undefined): Uint8Array => {
  if (bytes === undefined)
    throw new FloeError('blob_not_found', `no blob ${ref.id}`, { blob: ref.id });
  return bytes;
};

export const directoryStore = (
  path: string,
  { maxBytes = 2 ** 31, disk = nodeFiles() }: DirectoryStoreOptions = {},
): BlobStore & BlobRemoval => {
  const folderOf = (id: string): string => `${path}/${id.slice(0, 2)}`;
  const fileOf = (id: string): string => {
    if (!ID.test(id)) throw new FloeError('blob_not_found', 'expected a blob id of 64 hex digits');
    return `${folderOf(id)}/${id}`;
  };
  /** Calls what the disk throws by the name that fits the store. */
  const asStore = async <Result>(verb: string, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof FloeError) throw cause;
      const message = `cannot ${verb} ${path}: ${(cause as Error).message}`;
      throw new FloeError('store_unavailable', message, {}, { cause });
    }
  };
  const requireSize = (size: number): void => {
    if (size > maxBytes)
      throw new FloeError('blob_too_large', `expected at most ${maxBytes} bytes, got ${size}`);
  };
  return {
    kind: 'directory',
    put: async (bytes, { signal, sha256: known } = {}) => {
      signal?.throwIfAborted();
      requireSize(bytes.length);
      const hash = known ?? sha256(bytes);
      const ref = { id: toHex(hash), sha256: hash, size: bytes.length };
      await asStore('write to', async () => {
        await disk.makeFolder(folderOf(ref.id), FOLDER_MODE);
        await disk.write(fileOf(ref.id), bytes, BLOB_MODE);
      });
      return ref;
    },
    get: async (ref, { signal } = {}) => {
      const file = fileOf(ref.id);
      signal?.throwIfAborted();
      requireSize(ref.size);
      // A byte more than the record says tells a longer file; it is never read whole.
      const bytes = await asStore('read', () => disk.readRange(file, 0, ref.size + 1));
      return checkBlob(ref, found(ref, bytes));
    },
    discard: async (refs) => {
      for (const { id } of refs) if (ID.test(id)) await disk.remove(fileOf(id));
    },
    getRange: async (ref, start, end, { signal } = {}) => {
      checkRange(ref, start, end);
      const file = fileOf(ref.id);
      signal?.throwIfAborted();
      const bytes = await asStore('read', () => disk.readRange(file, start, end));
      return checkRangeLength(ref, start, end, found(ref, bytes));
    },
  };
};
