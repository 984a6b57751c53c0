/**
 * @module The Disk port of the keystore, and the disk of Node. A write replaces the whole file or nothing: temporary file,
 * fsync, rename, fsync of the folder. The lock is SQLite's on an empty database: the operating system drops it when the
 * process dies, however it dies, so no lock is ever stale. A disk that is full or read-only is called so.
 */
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { onDisk, storageError } from '../../protocol/storage-errors.ts';

export interface Disk {
  /** The whole file; `undefined` where there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Replaces the file, readable by its owner only; durable once it resolves. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Durable; nothing happens where there is no file. */
  remove(path: string): Promise<void>;
  /** With its parents, closed to others; nothing happens where it exists. */
  makeFolder(path: string): Promise<void>;
  /** Takes the lock; the returned function lets it go. @throws FloeError `keystore_locked` */
  lock(path: string): Promise<() => void>;
}

const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';

/** SQLITE_BUSY. */
const BUSY = 5;

/** Files of this machine. @throws FloeError `usage` in browsers */
export const nodeDisk = async (): Promise<Disk> => {
  // Bundlers for browsers find nothing to resolve in this way of asking for Node's modules.
  const { process } = globalThis;
  if (process?.getBuiltinModule === undefined)
    throw new FloeError('usage', 'a folder as keystore needs Node; give an open keystore');
  const files = process.getBuiltinModule('node:fs/promises');
  const paths = process.getBuiltinModule('node:path');
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');

  const syncFolder = async (path: string): Promise<void> => {
    // Windows cannot open a folder; NTFS journals the rename itself.
    if (process.platform === 'win32') return;
    const folder = await files.open(paths.dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };

  return {
    read: async (path) => {
      try {
        return new Uint8Array(await files.readFile(path));
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    },
    write: (path, bytes) =>
      onDisk(path, async () => {
        const temporary = `${path}.${toHex(systemRandom(6))}.tmp`;
        try {
          const file = await files.open(temporary, 'wx', 0o600);
          try {
            await file.writeFile(bytes);
            await file.sync();
          } finally {
            await file.close();
          }
          await files.rename(temporary, path);
        } catch (thrown) {
          await files.rm(temporary, { force: true });
          throw thrown;
        }
        await syncFolder(path);
      }),
    remove: (path) =>
      onDisk(path, async () => {
        await files.rm(path, { force: true });
        await syncFolder(path);
      }),
    makeFolder: (path) =>
      onDisk(path, async () => void (await files.mkdir(path, { recursive: true, mode: 0o700 }))),
    lock: async (path) => {
      const database = new DatabaseSync(path, { timeout: 0 });
      try {
        database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      } catch (cause) {
        database.close();
        if (cause instanceof Error && 'errcode' in cause && cause.errcode === BUSY)
          throw new FloeError(
            'keystore_locked',
            `${path} is held by another process`,
            {},
            { cause },
          );
        throw storageError(cause, path) ?? cause;
      }
      return () => database.close();
    },
  };
};
