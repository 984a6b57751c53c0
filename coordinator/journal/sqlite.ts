/**
 * @module The journal in SQLite (write-ahead log, every commit synced). One process writes at a
 * time; SQLite holds the lock, which ends with the process.
 */
import { constants as modes } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { storageError } from '../../protocol/storage-errors.ts';
import type { Journal, JournalBatch, Loaded, SealedEntries } from './port.ts';
import {
  bytesOf,
  corrupt,
  frozenOn,
  looseOn,
  queriesOn,
  readBlob,
  secretsOn,
  type Guard,
  type Row,
} from './sqlite-tables.ts';
import { TRANSCRIPT_SCHEMA, transcriptOn, transcriptWriter } from './sqlite-transcript.ts';

/** Raised when the tables change; another version is refused, not guessed at. */
export const JOURNAL_VERSION = 4;
/**
 * Small: the rows of an attempt that is over fill many pages, of which only the last is not full.
 */
const PAGE_BYTES = 4 << 10;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, record INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sealed (
    share BLOB PRIMARY KEY, attempt INTEGER NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  ${TRANSCRIPT_SCHEMA}
  CREATE TABLE IF NOT EXISTS blobs (
    id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, size INTEGER NOT NULL, loose INTEGER,
    last INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS blobs_loose ON blobs (loose) WHERE loose IS NOT NULL;
  CREATE TABLE IF NOT EXISTS frozen (
    kind TEXT NOT NULL, run BLOB NOT NULL, attempt INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (kind, run, attempt)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS secrets (attempt INTEGER PRIMARY KEY, secret BLOB NOT NULL) STRICT;
`;

/** What SQLite threw, by its cause: the disk, another process, or a file that is no journal. */
export const sqliteError = (thrown: unknown, path: string): FloeError => {
  if (thrown instanceof FloeError) return thrown;
  const known = storageError(thrown, path);
  if (known?.code === 'journal_locked')
    return new FloeError(
      'journal_locked',
      `another process has ${path} open`,
      {},
      { cause: thrown },
    );
  return known ?? corrupt(`${path}: ${(thrown as Error).message}`, thrown);
};

const readSealed = (row: Row): SealedEntries => ({
  share: bytesOf(row['share']),
  attempt: Number(row['attempt']),
  bytes: bytesOf(row['bytes']),
});

/** Writing statements of one batch, prepared once. */
const writerOn = (database: DatabaseSync): ((batch: JournalBatch) => void) => {
  const event = database.prepare(
    'INSERT INTO events (seq, time, type, body, record) VALUES (?, ?, ?, ?, ?)',
  );
  const transcript = transcriptWriter(database);
  const blob = database.prepare(
    'INSERT INTO blobs (id, sha256, size, loose, last) VALUES (?, ?, ?, ?, ?) ' +
      'ON CONFLICT DO UPDATE SET last = max(last, excluded.last), ' +
      'loose = CASE WHEN excluded.loose IS NULL THEN NULL ELSE loose END',
  );
  const sealed = database.prepare('INSERT INTO sealed (share, attempt, bytes) VALUES (?, ?, ?)');
  const snapshot = database.prepare(
    'INSERT INTO snapshot (id, seq, time, body) VALUES (1, ?, ?, ?) ' +
      'ON CONFLICT DO UPDATE SET seq = excluded.seq, time = excluded.time, body = excluded.body',
  );
  const prune = database.prepare('DELETE FROM events WHERE seq <= ?');
  const unseal = database.prepare('DELETE FROM sealed WHERE attempt <> ?');
  return (batch) => {
    for (const each of batch.records) {
      transcript.add(each);
      const loose = each.loose ? each.attempt : null;
      for (const { id, sha256, size } of each.blobs)
        blob.run(id, sha256, size, loose, each.attempt);
    }
    for (const { seq, time, type, body, record: at } of batch.events)
      event.run(seq, time, type, body, at ?? null);
    for (const { share, attempt, bytes } of batch.sealed) sealed.run(share, attempt, bytes);
    if (batch.snapshot === undefined) return;
    const { seq, time, body, attempt } = batch.snapshot;
    snapshot.run(seq, time, body);
    prune.run(seq);
    unseal.run(attempt ?? -1);
    transcript.pack(attempt);
  };
};

/** The record that an event brought. */
const recordOf = (row: Row): { readonly hash: Uint8Array; readonly bytes: Uint8Array } => {
  if (row['bytes'] === null) throw corrupt(`the record of event ${String(row['seq'])} is missing`);
  return { hash: bytesOf(row['hash']), bytes: bytesOf(row['bytes']) };
};

const load = (database: DatabaseSync): Loaded => {
  const row = database.prepare('SELECT seq, time, body FROM snapshot').get();
  const snapshot = row && {
    seq: Number(row['seq']),
    time: Number(row['time']),
    body: bytesOf(row['body']),
  };
  const events = database
    .prepare(
      'SELECT e.seq, e.time, e.type, e.body, e.record, t.hash, t.bytes FROM events e ' +
        'LEFT JOIN transcript t ON t.at = e.record ORDER BY e.seq',
    )
    .all()
    .map((each) => ({
      seq: Number(each['seq']),
      time: Number(each['time']),
      type: String(each['type']),
      body: bytesOf(each['body']),
      record: each['record'] === null ? undefined : recordOf(each),
    }));
  const sealed = database.prepare('SELECT share, attempt, bytes FROM sealed').all().map(readSealed);
  return { snapshot, events, sealed };
};

export const journalOn = (database: DatabaseSync, path: string): Journal => {
  const write = writerOn(database);
  const guard: Guard = async (work) => {
    try {
      return work();
    } catch (thrown) {
      throw sqliteError(thrown, path);
    }
  };
  /** In one transaction. */
  const atOnce = (work: () => void): void => {
    database.exec('BEGIN IMMEDIATE');
    try {
      work();
      database.exec('COMMIT');
    } catch (cause) {
      // SQLite rolls back automatically when the disk is full.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw cause;
    }
  };
  const { one, all } = queriesOn(database);
  const countOf = (table: string): number =>
    Number(one(`SELECT count(*) AS n FROM ${table}`)?.['n']);

  return {
    kind: 'sqlite',
    bind: (run) =>
      guard(() => {
        const stored = one("SELECT value FROM meta WHERE key = 'run'");
        if (stored === undefined)
          database.prepare("INSERT INTO meta (key, value) VALUES ('run', ?)").run(run);
        else if (!equalBytes(bytesOf(stored['value']), run))
          throw new FloeError('spec_mismatch', 'the journal belongs to another run');
      }),
    write: (batch) => guard(() => atOnce(() => write(batch))),
    load: () => guard(() => load(database)),
    ...transcriptOn(database, guard),
    blobRef: (id) =>
      guard(() => {
        const row = one('SELECT id, sha256, size FROM blobs WHERE id = ?', id);
        return row && readBlob(row);
      }),
    blobsBefore: (attempt) =>
      guard(() =>
        all(
          'SELECT id, sha256, size FROM blobs WHERE last < ? AND ' +
            'sha256 NOT IN (SELECT sha256 FROM blobs WHERE last >= ?)',
          attempt,
          attempt,
        ).map(readBlob),
      ),
    frozen: frozenOn(database, guard),
    secrets: secretsOn(database, guard),
    loose: looseOn(database, guard, atOnce),
    counts: () =>
      guard(() => ({
        events: countOf('events'),
        records: countOf('transcript') + countOf('names'),
        sealed: countOf('sealed'),
        blobs: countOf('blobs'),
        secrets: countOf('secrets'),
      })),
    share: () =>
      guard(() => {
        // Readers of a database with a write-ahead log leave an index file behind.
        database.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL');
        // The lock goes with the next read.
        one("SELECT value FROM meta WHERE key = 'run'");
      }),
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
};

/**
 * SQLite reports a file or folder that is missing and one that is closed to it alike: the file
 * system says which.
 */
const checkAccess = async (path: string): Promise<void> => {
  const folder = dirname(path);
  try {
    await access(folder, modes.W_OK | modes.X_OK);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT')
      throw new FloeError('file_not_found', `no folder ${folder}`, {}, { cause: thrown });
    throw storageError(thrown, folder) ?? thrown;
  }
  try {
    await access(path, modes.R_OK | modes.W_OK);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw storageError(thrown, path) ?? thrown;
  }
};

/** Whether the database has the table that every version of the journal keeps its run in. */
const isJournal = (database: DatabaseSync): boolean =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").get() !==
  undefined;

/**
 * @param other a second version that is accepted
 * @throws FloeError `run_outdated` for a journal of another version, `journal_corrupt` for a file
 * that is not a journal
 */
export const requireVersion = (database: DatabaseSync, path: string, other?: number): void => {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version === other || version === JOURNAL_VERSION) return;
  const versions = `a journal of version ${version}, and this Floe reads version ${JOURNAL_VERSION}`;
  if (!isJournal(database)) throw corrupt(`${path}: no journal of version ${JOURNAL_VERSION}`);
  throw new FloeError(
    'run_outdated',
    `${path} is ${versions}: it was written by ${version < JOURNAL_VERSION ? 'an older' : 'a newer'} Floe`,
    { version },
  );
};

export interface OpenOptions {
  /**
   * Whether a commit is synced to the disk: without, a power cut may lose the last ones, a crash of
   * the process none.
   */
  readonly synced?: boolean;
  /** Largest size of the database, for tests: SQLite says at this size that the disk is full. */
  readonly maxBytes?: number;
}

/**
 * Opens a journal, and creates it if missing.
 *
 * @param path a file
 * @throws FloeError `journal_locked` while another process has it open; `storage_read_only`,
 * `storage_full`, `file_not_found`; `run_outdated` for a journal of another version;
 * `journal_corrupt` for a file that is not a journal
 */
export const openJournal = async (
  path: string,
  { synced = true, maxBytes }: OpenOptions = {},
): Promise<Journal> => {
  await checkAccess(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA secure_delete = FAST;`);
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL;');
    // The log is entered by a read: a lock that is exclusive before that could not be shared later.
    database.exec('SELECT count(*) FROM sqlite_schema; PRAGMA locking_mode = EXCLUSIVE;');
    database.exec(`PRAGMA synchronous = ${synced ? 'FULL' : 'NORMAL'}`);
    if (maxBytes !== undefined)
      database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / PAGE_BYTES)}`);
    requireVersion(database, path, 0);
    // In exclusive mode the lock that the first write takes is kept until the connection closes.
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${JOURNAL_VERSION}; COMMIT;`);
    return journalOn(database, path);
  } catch (thrown) {
    database?.close();
    throw sqliteError(thrown, path);
  }
};
