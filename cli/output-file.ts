/**
 * @module Files that a command writes and does not overwrite.
 */
import { FloeError } from '../protocol/errors.ts';

/**
 * For the failure of a write with the flag `wx`. @throws FloeError `file_exists`, `storage_failed`
 */
export const refuseExisting = (path: string) => (cause: unknown) => {
  const { code, message } = cause as NodeJS.ErrnoException;
  const taken = code === 'EEXIST';
  throw new FloeError(
    taken ? 'file_exists' : 'storage_failed',
    taken ? `${path} exists` : `${path}: ${message}`,
    {},
    { cause },
  );
};
