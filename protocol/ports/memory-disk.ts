/**
 * @module A Disk in memory, for tests and for programs that must leave no file.
 */
import { ownBytes } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { Disk } from './disk.ts';

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const memoryDisk = (): Disk & { readonly files: Map<string, Uint8Array> } => {
  const files = new Map<string, Uint8Array>();
  const written = new Map<string, number>();
  let writes = 0;
  const locks = new Set<string>();
  return {
    files,
    read: async (path) => files.get(path)?.slice(),
    readRange: async (path, start, end) => files.get(path)?.slice(start, end),
    write: async (path, bytes) => {
      files.set(path, ownBytes(bytes));
      written.set(path, (writes += 1));
    },
    writtenAt: async (path) => written.get(path),
    remove: async (path) => {
      files.delete(path);
      written.delete(path);
    },
    list: async (folder) =>
      [...files.keys()]
        .filter((path) => folderOf(path) === folder)
        .map((path) => path.slice(folder.length + 1)),
    makeFolder: async () => undefined,
    lock: async (path) => {
      if (locks.has(path)) throw new FloeError('keystore_locked', `${path} is held already`);
      locks.add(path);
      return () => locks.delete(path);
    },
  };
};
