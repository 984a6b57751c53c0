/**
 * @module The Disk port, and the disk of Node. A write replaces the whole file or nothing:
 * temporary file, fsync, rename, fsync of the folder. The lock is SQLite's on an empty database:
 * the operating system drops it when the process dies, however it dies, so no lock is ever stale. A
 * full or read-only disk has its own error (storage-errors.ts). This module loads in
 * browsers.
 */
import { toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { onDisk, storageError } from '../storage-errors.ts';
import { systemRandom } from './random.ts';

export interface Disk {
  /** The whole file; `undefined` where there is none. The bytes are the caller's own. */
  read(path: string): Promise<Uint8Array | undefined>;
  /**
   * Bytes [start, end) of the file, fewer where it ends before; `undefined` where there is none.
   */
  readRange(path: string, start: number, end: number): Promise<Uint8Array | undefined>;
  /**
   * Replaces the file; whole and durable once it resolves. The folder must exist.
   * @param mode permissions (POSIX). Default 0o600: its owner only
   * @throws FloeError `storage_full`, `storage_read_only`, `storage_failed`
   */
  write(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
  /** Durable; a missing file is no error. @throws FloeError as `write` */
  remove(path: string): Promise<void>;
  /**
   * When the file was last written, ms; only the order of two files counts. `undefined` where there
   * is none.
   */
  writtenAt(path: string): Promise<number | undefined>;
  /** Names of the files in a folder; none where there is no folder. */
  list(folder: string): Promise<readonly string[]>;
  /**
   * With its parents; an existing folder is no error.
   * @param mode permissions of a new folder. Default 0o700
   * @throws FloeError as `write`
   */
  makeFolder(path: string, mode?: number): Promise<void>;
  /** Takes the lock; the returned function releases it. @throws FloeError `keystore_locked` */
  lock(path: string): Promise<() => void>;
}

export interface NodeDiskOptions {
  /**
   * False: a written file survives the end of the process, not a power cut; nothing is synced.
   * For simulations, which start again rather than resume. Default true.
   */
  readonly durable?: boolean;
}

/** Whether an error of the file system says that the file or folder does not exist. */
export const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';

/** SQLITE_BUSY. */
const BUSY = 5;

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;

/** Node's own modules; bundlers for browsers find nothing to resolve in this way of asking. */
const builtins = () => {
  const { process } = globalThis;
  if (process?.getBuiltinModule === undefined)
    throw new FloeError('usage', 'files need Node; in a browser give an open keystore');
  return {
    files: process.getBuiltinModule('node:fs/promises'),
    paths: process.getBuiltinModule('node:path'),
    sqlite: process.getBuiltinModule('node:sqlite'),
    isWindows: process.platform === 'win32',
  };
};

/** `undefined` where the file does not exist. */
const orMissing = async <Result>(read: () => Promise<Result>): Promise<Result | undefined> => {
  try {
    return await read();
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
};

/**
 * Replaces one file whole; see {@link Disk.write}.
 * @param durable whether it survives a power cut
 */
const replaceFile = async (
  path: string,
  bytes: Uint8Array,
  mode: number,
  durable: boolean,
): Promise<void> => {
  const { files } = builtins();
  // One name a write: two processes may replace the same file at once.
  const temporary = `${path}.${toHex(systemRandom(6))}.tmp`;
  try {
    const file = await files.open(temporary, 'wx', mode);
    try {
      await file.writeFile(bytes);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, path);
  } catch (thrown) {
    await files.rm(temporary, { force: true });
    throw thrown;
  }
  if (durable) await syncFolder(path);
};

/** Makes the entry of a file in its folder durable. */
const syncFolder = async (path: string): Promise<void> => {
  const { files, paths, isWindows } = builtins();
  // Windows cannot open a folder; NTFS journals the rename itself.
  if (isWindows) return;
  const folder = await files.open(paths.dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

const readPart = async (path: string, start: number, end: number): Promise<Uint8Array> => {
  const handle = await builtins().files.open(path, 'r');
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
    let at = 0;
    for (let got = -1; got !== 0 && at < bytes.length; at += got)
      ({ bytesRead: got } = await handle.read(bytes, at, bytes.length - at, start + at));
    return bytes.subarray(0, at);
  } finally {
    await handle.close();
  }
};

const lockFile = (path: string): (() => void) => {
  const { DatabaseSync } = builtins().sqlite;
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === BUSY)
      throw new FloeError('keystore_locked', `${path} is held by another process`, {}, { cause });
    throw storageError(cause, path) ?? cause;
  }
  return () => database.close();
};

/** Files of this machine. @throws FloeError `usage` in browsers, at the first call */
export const nodeFiles = ({ durable = true }: NodeDiskOptions = {}): Disk => ({
  read: (path) => orMissing(async () => new Uint8Array(await builtins().files.readFile(path))),
  readRange: (path, start, end) => orMissing(() => readPart(path, start, end)),
  write: (path, bytes, mode = OWNER_FILE) =>
    onDisk(path, () => replaceFile(path, bytes, mode, durable)),
  remove: (path) =>
    onDisk(path, async () => {
      await builtins().files.rm(path, { force: true });
      // Where there is no folder, there is nothing to remove from it.
      if (durable) await orMissing(() => syncFolder(path));
    }),
  writtenAt: (path) => orMissing(async () => (await builtins().files.stat(path)).mtimeMs),
  list: async (folder) => (await orMissing(() => builtins().files.readdir(folder))) ?? [],
  makeFolder: (path, mode = OWNER_FOLDER) =>
    onDisk(path, async () => void (await builtins().files.mkdir(path, { recursive: true, mode }))),
  lock: async (path) => lockFile(path),
});

/** As {@link nodeFiles}. @throws FloeError `usage` in browsers */
export const nodeDisk = async (options: NodeDiskOptions = {}): Promise<Disk> => {
  builtins();
  return nodeFiles(options);
};
