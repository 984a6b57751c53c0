/**
 * @module The journal: an append-only log of events and the transcript of accepted records, in SQLite (write-ahead log,
 * every commit synced). An event and the records it caused to be accepted are one transaction, so a crash leaves both or
 * neither. One process writes at a time; the lock is the database's own and dies with the process.
 */
import { DatabaseSync } from 'node:sqlite';
import type { BlobRef } from '../protocol/blobs/blob-store.ts';
import { concatBytes, equalBytes } from '../protocol/bytes.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { decodeRecord, type SignedRecord } from '../protocol/records.ts';
import { bundlePlaces } from '../protocol/verify/lasting-ref.ts';
import {
  encodeStoredEntry,
  genesis,
  nextEntry,
  type TranscriptEntry,
} from '../protocol/transcript.ts';
import { decodeEvent, encodeEvent, type Event } from './machine/index.ts';

/** Raised when the tables change; another version is refused, not guessed at. */
export const JOURNAL_VERSION = 1;
/** SQLite's result code for a database that another connection has locked. */
const SQLITE_BUSY = 5;

export interface JournalBatch {
  readonly event: Event;
  /** Records that the event caused to be accepted, in order. */
  readonly records: readonly SignedRecord[];
}

/** Entries in a row, and the index of the one that follows; undefined at the end. */
export interface TranscriptPart {
  readonly bytes: Uint8Array;
  readonly next: number | undefined;
}

export interface Journal {
  /** The database, for the ledger that shares it. */
  readonly database: DatabaseSync;
  /**
   * Binds the journal to a run, on first use for good.
   * @throws FloeError `spec_mismatch` when it belongs to another run
   */
  bind(run: Uint8Array): void;
  /** Writes events and their records in one transaction; once it returns they survive a crash. */
  append(batch: readonly JournalBatch[]): void;
  /** All events, in order. @throws FloeError `journal_corrupt` naming the event */
  events(): Generator<Event>;
  readonly eventCount: number;
  /** Last link of the transcript. */
  readonly head: Uint8Array;
  /** A blob that a record of the transcript names. */
  blobRef(id: string): BlobRef | undefined;
  /** The transcript of one round, in order. */
  roundEntries(round: number): readonly TranscriptEntry[];
  /** The whole transcript as `decodeTranscript` reads it. */
  transcript(): Uint8Array;
  /**
   * A part of it, as it is stored: entries from index `from` on, one at least where there is one, and no further one once
   * they have `maxBytes` bytes.
   */
  transcriptPart(from: number, maxBytes: number): TranscriptPart;
  /** Index of the first entry of this round or a later one; undefined where there is none. */
  firstOfRound(round: number): number | undefined;
  close(): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS transcript (
    idx INTEGER PRIMARY KEY, round INTEGER NOT NULL, hash BLOB NOT NULL, record BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS blobs (
    id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, size INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS transcript_round ON transcript (round, idx);
  CREATE TABLE IF NOT EXISTS ledger (
    kind TEXT NOT NULL, run BLOB NOT NULL, round INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (kind, run, round)
  ) STRICT, WITHOUT ROWID;
`;

/** The blobs that a record names. */
const blobsOf = (record: SignedRecord): readonly BlobRef[] => {
  switch (record.type) {
    case 'open':
      return [record.body.model.blob];
    case 'upload':
      return [record.body.blob];
    case 'commit':
      return [record.body.model.blob, ...bundlePlaces(record)];
    default:
      return [];
  }
};

const corrupt = (message: string, cause?: unknown): FloeError =>
  new FloeError('journal_corrupt', message, {}, { cause });

const open = (path: string): DatabaseSync => {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE;');
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    // In exclusive mode the lock that the first write takes is kept until the connection closes.
    database.exec(`BEGIN IMMEDIATE; PRAGMA user_version; COMMIT;`);
    return database;
  } catch (cause) {
    database?.close();
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new FloeError('journal_locked', `another coordinator writes to ${path}`, {}, { cause });
    throw corrupt(`${path} cannot be opened as a journal: ${(cause as Error).message}`, cause);
  }
};

const prepareSchema = (database: DatabaseSync): void => {
  const row = database.prepare('PRAGMA user_version').get();
  const version = Number(row?.['user_version']);
  if (version !== 0 && version !== JOURNAL_VERSION)
    throw corrupt(`expected journal version ${JOURNAL_VERSION}, got ${version}`);
  database.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${JOURNAL_VERSION}; COMMIT;`);
};

const bytesOf = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw corrupt('expected bytes in the journal');
  return value;
};

const readEntry = (row: Record<string, unknown>): TranscriptEntry => {
  const index = Number(row['idx']);
  try {
    return { index, record: decodeRecord(bytesOf(row['record'])), hash: bytesOf(row['hash']) };
  } catch (cause) {
    throw corrupt(`transcript entry ${index}: ${(cause as Error).message}`, cause);
  }
};

/** An entry as the transcript holds it, of the stored bytes: nothing is decoded. */
const entryBytes = (row: Record<string, unknown>): Uint8Array =>
  encodeStoredEntry(bytesOf(row['hash']), bytesOf(row['record']));

/** Reads events and checks each. */
function* readEvents(database: DatabaseSync): Generator<Event> {
  let expected = 1;
  for (const row of database.prepare('SELECT * FROM events ORDER BY seq').iterate()) {
    const seq = Number(row['seq']);
    if (seq !== expected) throw corrupt(`event ${expected} is missing`);
    expected += 1;
    let event: Event;
    try {
      event = decodeEvent(bytesOf(row['body']), Number(row['time']));
    } catch (cause) {
      throw corrupt(`event ${seq}: ${(cause as Error).message}`, cause);
    }
    if (event.type !== row['type'])
      throw corrupt(`event ${seq}: expected ${String(row['type'])}, got ${event.type}`);
    yield event;
  }
}

const journalOn = (database: DatabaseSync): Journal => {
  const insertEvent = database.prepare(
    'INSERT INTO events (seq, time, type, body) VALUES (?, ?, ?, ?)',
  );
  const insertEntry = database.prepare(
    'INSERT INTO transcript (idx, round, hash, record) VALUES (?, ?, ?, ?)',
  );
  const insertBlob = database.prepare(
    'INSERT INTO blobs (id, sha256, size) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const selectBlob = database.prepare('SELECT sha256, size FROM blobs WHERE id = ?');
  const selectRound = database.prepare(
    'SELECT idx, hash, record FROM transcript WHERE round = ? ORDER BY idx',
  );
  const selectFrom = database.prepare(
    'SELECT idx, hash, record FROM transcript WHERE idx >= ? ORDER BY idx',
  );
  const selectFirst = database.prepare(
    'SELECT idx FROM transcript WHERE round >= ? ORDER BY round, idx LIMIT 1',
  );
  const countOf = (table: 'events' | 'transcript'): number =>
    Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
  let eventCount = countOf('events');
  let entryCount = countOf('transcript');
  let run = new Uint8Array();
  let head = new Uint8Array();

  return {
    database,
    bind: (hash) => {
      const stored = database.prepare("SELECT value FROM meta WHERE key = 'run'").get();
      if (stored === undefined)
        database.prepare("INSERT INTO meta (key, value) VALUES ('run', ?)").run(hash);
      else if (!equalBytes(bytesOf(stored['value']), hash))
        throw new FloeError('spec_mismatch', 'the journal belongs to another run');
      run = new Uint8Array(hash);
      const last = database.prepare('SELECT hash FROM transcript ORDER BY idx DESC LIMIT 1').get();
      head = new Uint8Array(last === undefined ? genesis(run) : bytesOf(last['hash']));
    },
    append: (batch) => {
      let [nextHead, nextIndex, nextSeq] = [head, entryCount, eventCount];
      database.exec('BEGIN IMMEDIATE');
      try {
        for (const { event, records } of batch) {
          nextSeq += 1;
          insertEvent.run(nextSeq, event.time, event.type, encodeEvent(event));
          for (const record of records) {
            const entry = nextEntry(nextHead, nextIndex, record);
            insertEntry.run(entry.index, record.round, entry.hash, record.bytes);
            for (const { id, sha256, size } of blobsOf(record)) insertBlob.run(id, sha256, size);
            nextHead = new Uint8Array(entry.hash);
            nextIndex += 1;
          }
        }
        database.exec('COMMIT');
      } catch (cause) {
        database.exec('ROLLBACK');
        throw toFloeError(cause);
      }
      [head, entryCount, eventCount] = [nextHead, nextIndex, nextSeq];
    },
    events: () => readEvents(database),
    get eventCount() {
      return eventCount;
    },
    get head() {
      return head;
    },
    blobRef: (id) => {
      const row = selectBlob.get(id);
      return row && { id, sha256: bytesOf(row['sha256']), size: Number(row['size']) };
    },
    roundEntries: (round) => selectRound.all(round).map(readEntry),
    transcript: () => concatBytes(...selectFrom.all(0).map(entryBytes)),
    transcriptPart: (from, maxBytes) => {
      const parts: Uint8Array[] = [];
      let size = 0;
      for (const row of selectFrom.iterate(from)) {
        if (size >= maxBytes) return { bytes: concatBytes(...parts), next: Number(row['idx']) };
        const part = entryBytes(row);
        parts.push(part);
        size += part.length;
      }
      return { bytes: concatBytes(...parts), next: undefined };
    },
    firstOfRound: (round) => {
      const row = selectFirst.get(round);
      return row && Number(row['idx']);
    },
    close: () => database.close(),
  };
};

/**
 * Opens a journal, creating it where there is none.
 *
 * @param path file, or `:memory:`
 * @throws FloeError `journal_locked` while another process has it, `journal_corrupt` when it is not a journal of this version
 */
export const openJournal = (path: string): Journal => {
  const database = open(path);
  try {
    prepareSchema(database);
    return journalOn(database);
  } catch (cause) {
    database.close();
    throw cause instanceof FloeError ? cause : corrupt((cause as Error).message, cause);
  }
};
