/**
 * @module Files that are read where they may be missing, and written whole or not at all. Node only.
 */
import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { FloeError } from '../errors.ts';
import { onDisk } from '../storage-errors.ts';

/** Writes to a temporary name and renames: what is there is whole. */
export const writeWhole = async (
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> => {
  const temporary = `${path}.tmp`;
  await onDisk(path, async () => {
    await writeFile(temporary, content, { mode });
    // The mode above counts only for a new file.
    await chmod(temporary, mode);
    await rename(temporary, path);
  });
};

/** A file that may be missing. @throws FloeError `data_malformed` when it is larger than `maxBytes` */
export const readOptional = async (
  path: string,
  maxBytes = Number.MAX_SAFE_INTEGER,
): Promise<Uint8Array | undefined> => {
  try {
    const { size } = await stat(path);
    if (size > maxBytes)
      throw new FloeError('data_malformed', `${path} is larger than ${maxBytes} bytes`);
    return new Uint8Array(await readFile(path));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
};

/** Whether there is a file or a folder. */
export const isThere = async (path: string): Promise<boolean> => {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw thrown;
  }
};
