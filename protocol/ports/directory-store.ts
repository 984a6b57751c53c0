/**
 * @module A BlobStore in a directory: one file per blob, named by its SHA-256. Written to a temporary name, synced and
 * renamed, so that a file that is there is whole. Several processes may share the directory. Node only.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { onDisk, storageError } from '../storage-errors.ts';
import {
  checkBlob,
  checkRange,
  checkRangeLength,
  type BlobRef,
  type BlobStore,
} from './blob-store.ts';
import type { BlobRemoval } from './upload-staging.ts';

const ID = /^[0-9a-f]{64}$/;

const isMissing = (thrown: unknown): boolean => (thrown as NodeJS.ErrnoException).code === 'ENOENT';

/** @param maxBytes largest blob accepted */
export const directoryStore = (
  path: string,
  maxBytes = 2 ** 31,
): BlobStore & BlobRemoval => {
  const fileOf = (id: string): string => {
    if (!ID.test(id)) throw new FloeError('blob_not_found', 'expected a blob id of 64 hex digits');
    return join(path, id.slice(0, 2), id);
  };
  const reading = async <Result>(ref: BlobRef, read: () => Promise<Result>): Promise<Result> => {
    try {
      return await read();
    } catch (cause) {
      if (cause instanceof FloeError) throw cause;
      if (isMissing(cause))
        throw new FloeError('blob_not_found', `no blob ${ref.id}`, { blob: ref.id }, { cause });
      throw new FloeError(
        'store_unavailable',
        `cannot read ${path}: ${(cause as Error).message}`,
        {},
        { cause },
      );
    }
  };
  return {
    kind: 'directory',
    put: async (bytes, { signal, sha256: known } = {}) => {
      signal?.throwIfAborted();
      if (bytes.length > maxBytes)
        throw new FloeError(
          'blob_too_large',
          `expected at most ${maxBytes} bytes, got ${bytes.length}`,
        );
      const hash = known ?? sha256(bytes);
      const ref = { id: toHex(hash), sha256: hash, size: bytes.length };
      const file = fileOf(ref.id);
      const temporary = `${file}.${randomUUID()}.tmp`;
      try {
        await mkdir(join(path, ref.id.slice(0, 2)), { recursive: true });
        const handle = await open(temporary, 'wx');
        try {
          await handle.writeFile(bytes, { signal });
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(temporary, file);
      } catch (cause) {
        await rm(temporary, { force: true });
        const disk = storageError(cause, path);
        if (disk !== undefined) throw disk;
        throw new FloeError(
          'store_unavailable',
          `cannot write to ${path}: ${(cause as Error).message}`,
          {},
          { cause },
        );
      }
      return ref;
    },
    get: async (ref, { signal } = {}) => {
      const file = fileOf(ref.id);
      return reading(ref, async () => {
        const { size } = await stat(file);
        if (size > maxBytes)
          throw new FloeError('blob_too_large', `expected at most ${maxBytes} bytes, got ${size}`);
        return checkBlob(ref, new Uint8Array(await readFile(file, { signal })));
      });
    },
    discard: async (refs) => {
      for (const { id } of refs)
        if (ID.test(id))
          // oxlint-disable-next-line no-await-in-loop
          await onDisk(path, () => rm(fileOf(id), { force: true }));
    },
    getRange: async (ref, start, end, { signal } = {}) => {
      checkRange(ref, start, end);
      const file = fileOf(ref.id);
      return reading(ref, async () => {
        signal?.throwIfAborted();
        const handle = await open(file, 'r');
        try {
          const bytes = new Uint8Array(end - start);
          let at = 0;
          for (let got = -1; got !== 0 && at < bytes.length; at += got)
            ({ bytesRead: got } = await handle.read(bytes, at, bytes.length - at, start + at));
          return checkRangeLength(ref, start, end, bytes.subarray(0, at));
        } finally {
          await handle.close();
        }
      });
    },
  };
};
