/**
 * @module Files that a user names: read whole, up to a limit, with errors that name the flag or the
 * setting. Node only.
 */
import { readFile, stat } from 'node:fs/promises';
import { FloeError } from '../errors.ts';

/**
 * @param label what named the file, such as `--network`
 * @throws FloeError `file_not_found`, `usage` when it is larger than `maxBytes` or not a file
 */
export const readInput = async (
  label: string,
  path: string,
  maxBytes: number,
): Promise<Uint8Array> => {
  try {
    const { size } = await stat(path);
    if (size > maxBytes)
      throw new FloeError(
        'usage',
        `${label}: expected a file of at most ${maxBytes} bytes, got ${JSON.stringify(path)}`,
      );
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof FloeError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new FloeError('file_not_found', `${label}: no ${path}`, {}, { cause });
    throw new FloeError('usage', `${label}: cannot read ${path}: ${message}`, {}, { cause });
  }
};
