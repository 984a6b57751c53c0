/**
 * @module Takes a journal on disk back to the end of an attempt: for a simulation, whose
 * participants are started again with it. A coordinator that others depend on never goes back.
 */
import { DatabaseSync } from 'node:sqlite';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { ENTRY_PREFIX } from '../../protocol/records/transcript.ts';
import type { Journal, JournalBatch } from './port.ts';
import { requireVersion, sqliteError } from './sqlite.ts';
import { readBlob } from './sqlite-tables.ts';

/** The end of an attempt that committed, as the journal held it then. */
export interface JournalMark {
  readonly snapshot: NonNullable<JournalBatch['snapshot']>;
  /** The attempt that committed. */
  readonly attempt: number;
  /** Bytes of the transcript. */
  readonly end: number;
}

/** The mark that a batch leaves, where it ends an attempt with a commit. */
const markOf = (
  { records, snapshot }: JournalBatch,
  isCommit: (bytes: Uint8Array) => boolean,
): JournalMark | undefined => {
  const last = records.at(-1);
  if (snapshot === undefined || last === undefined) return undefined;
  const commit = records.findLast(({ bytes }) => isCommit(bytes));
  if (commit === undefined) return undefined;
  const { at, bytes } = last;
  return { snapshot, attempt: commit.attempt, end: at + ENTRY_PREFIX + bytes.length };
};

/**
 * The journal, which reports each commit once it is written.
 *
 * @param isCommit of the bytes of a record
 */
export const markingJournal = (
  journal: Journal,
  isCommit: (bytes: Uint8Array) => boolean,
  onMark: (mark: JournalMark) => void,
): Journal => ({
  ...journal,
  write: async (batch) => {
    await journal.write(batch);
    const mark = markOf(batch, isCommit);
    if (mark !== undefined) onMark(mark);
  },
});

/**
 * Removes everything that came after the mark.
 *
 * @param path of the journal, which no process has open
 * @returns the blobs of uploads that nothing names any more
 * @throws FloeError `journal_locked`, `journal_corrupt`, `run_outdated`, `storage_read_only`
 */
export const rewindJournal = (
  path: string,
  { snapshot, attempt, end }: JournalMark,
): readonly BlobRef[] => {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE');
    requireVersion(database, path);
    database.exec('BEGIN IMMEDIATE');
    const uploads = database
      .prepare('SELECT id, sha256, size FROM blobs WHERE loose > ?')
      .all(attempt)
      .map(readBlob);
    database.exec('DELETE FROM events; DELETE FROM sealed; DELETE FROM secrets');
    for (const table of ['transcript', 'chapters', 'names'])
      database.prepare(`DELETE FROM ${table} WHERE at >= ?`).run(end);
    database.prepare('DELETE FROM blobs WHERE loose > ?').run(attempt);
    database.prepare('DELETE FROM frozen WHERE attempt > ?').run(attempt);
    database
      .prepare('UPDATE snapshot SET seq = ?, time = ?, body = ?')
      .run(snapshot.seq, snapshot.time, snapshot.body);
    database.exec('COMMIT');
    return uploads;
  } catch (thrown) {
    throw sqliteError(thrown, path);
  } finally {
    database?.close();
  }
};
