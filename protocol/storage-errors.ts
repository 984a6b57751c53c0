/**
 * @module What a disk that does not take a write is called: by errno (POSIX) or by SQLite's result
 * code, the same names for every file that Floe writes. Source: https://sqlite.org/rescode.html
 */
import { FloeError, type ErrorCode } from './errors.ts';

const BY_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'storage_full',
  EDQUOT: 'storage_full',
  EFBIG: 'storage_full',
  EROFS: 'storage_read_only',
  EACCES: 'storage_read_only',
  EPERM: 'storage_read_only',
  EIO: 'storage_failed',
};

/** Primary result codes; the byte above holds the extended ones. */
const BY_SQLITE: Readonly<Record<number, ErrorCode>> = {
  3: 'storage_read_only',
  5: 'journal_locked',
  6: 'journal_locked',
  8: 'storage_read_only',
  10: 'storage_failed',
  13: 'storage_full',
  14: 'storage_read_only',
};

/**
 * Errors of the operator's disk: nothing was written, nobody else is at fault, and the same call
 * may succeed later.
 */
export const STORAGE_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'storage_full',
  'storage_read_only',
  'storage_failed',
  'journal_locked',
]);

/**
 * Does what writes to a disk, and calls what the disk throws by its name. @param where the file or
 * folder
 */
export const onDisk = async <Result>(
  where: string,
  work: () => Promise<Result>,
): Promise<Result> => {
  try {
    return await work();
  } catch (thrown) {
    throw storageError(thrown, where) ?? thrown;
  }
};

/** @param where the file or folder @returns undefined for what is no failure of a disk */
export const storageError = (thrown: unknown, where: string): FloeError | undefined => {
  const { code, errcode, message } = thrown as {
    code?: unknown;
    errcode?: unknown;
    message?: string;
  };
  const known =
    typeof errcode === 'number'
      ? BY_SQLITE[errcode & 0xff]
      : typeof code === 'string'
        ? BY_ERRNO[code]
        : undefined;
  return known && new FloeError(known, `${where}: ${String(message)}`, {}, { cause: thrown });
};
