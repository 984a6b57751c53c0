/**
 * @module The files of a folder, by their paths below it with `/` between the parts. Node only.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import type { FolderFiles } from './examine-folder.ts';

/**
 * The current files of a folder. Links are listed and not followed.
 * @throws FloeError `store_unavailable`
 */
export const listFolder = async (folder: string): Promise<FolderFiles> => {
  try {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    const entries = found
      .filter((entry) => !entry.isDirectory())
      .map((entry) => ({
        path: relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'),
        isFile: entry.isFile(),
      }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return { entries, read: async (path) => new Uint8Array(await readFile(join(folder, path))) };
  } catch (cause) {
    throw new FloeError(
      'store_unavailable',
      `cannot read ${folder}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
};
