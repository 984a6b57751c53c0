/**
 * @module Files that are read where they may be missing, and written whole or not at all. Node
 * only.
 */
import { readFile, stat } from 'node:fs/promises';
import { utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { nodeFiles } from './disk.ts';

const disk = nodeFiles();

/** Replaces a file whole, durably. */
export const writeWhole = (
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> => disk.write(path, typeof content === 'string' ? utf8(content) : content, mode);

/**
 * A file that may be missing. @throws FloeError `data_malformed` when it is larger than `maxBytes`
 */
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
