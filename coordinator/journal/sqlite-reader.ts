/**
 * @module A journal for readers, opened without write access: several processes can read one run,
 * also from a read-only folder. A coordinator that is running locks its journal.
 */
import { constants as modes } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { FloeError } from '../../protocol/errors.ts';
import { storageError } from '../../protocol/storage-errors.ts';
import type { Journal } from './port.ts';
import { journalOn, requireVersion, sqliteError } from './sqlite.ts';

/**
 * Whether there is a write-ahead log that a crash has left: only who can make SQLite's index of it
 * reads it.
 */
const hasLog = async (path: string): Promise<boolean> => {
  try {
    return (await stat(`${path}-wal`)).size > 0;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw storageError(thrown, path) ?? thrown;
  }
};

const requireFile = async (path: string): Promise<void> => {
  try {
    await access(path, modes.R_OK);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT')
      throw new FloeError('file_not_found', `no journal ${path}`, {}, { cause: thrown });
    throw storageError(thrown, path) ?? thrown;
  }
};

const openAt = (place: string | URL, path: string): Journal => {
  const database = new DatabaseSync(place, { readOnly: true });
  try {
    requireVersion(database, path);
    return journalOn(database, path);
  } catch (thrown) {
    database.close();
    throw thrown;
  }
};

/**
 * Opens a journal that is there, to read it.
 *
 * @param path a file
 * @throws FloeError `file_not_found`; `journal_locked` while a coordinator plays the run;
 * `run_outdated` when it is of another version; `journal_corrupt` when it is none;
 * `storage_read_only` when it was left by a crash in a folder that may not be written
 */
export const openJournalToRead = async (path: string): Promise<Journal> => {
  await requireFile(path);
  try {
    return openAt(path, path);
  } catch (thrown) {
    const error = sqliteError(thrown, path);
    // Without a write-ahead log, the file is complete, and no shared-memory index is needed.
    if (error.code !== 'storage_read_only' || (await hasLog(path))) throw error;
    const whole = pathToFileURL(path);
    whole.searchParams.set('immutable', '1');
    try {
      return openAt(whole, path);
    } catch (again) {
      throw sqliteError(again, path);
    }
  }
};
