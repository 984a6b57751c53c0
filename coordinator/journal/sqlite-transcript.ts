/**
 * @module The transcript in the SQLite journal: its records by position, hash and attempt, and its
 * bytes as they were accepted. A record of the current attempt is one row, keyed by the offset of
 * its entry. The transaction that ends an attempt replaces those rows with a single one
 * (`chapter.ts`).
 */
import type { DatabaseSync } from 'node:sqlite';
import { toHex } from '../../protocol/bytes.ts';
import { ENTRY_PREFIX, writeStored } from '../../protocol/records/transcript.ts';
import {
  entriesOf,
  MAX_CHAPTER_BYTES,
  NAME_BYTES,
  packChapter,
  recordsOf,
  type Chapter,
} from './chapter.ts';
import type { Journal, NewRecord, StoredRecord } from './port.ts';
import { bytesOf, corrupt, queriesOn, storedBytes, type Guard, type Row } from './sqlite-tables.ts';

/** Bytes of the transcript that are given at once while it is read, a last record aside. */
const PIECE_BYTES = 64 << 10;

export const TRANSCRIPT_SCHEMA = `
  CREATE TABLE IF NOT EXISTS transcript (
    at INTEGER PRIMARY KEY, idx INTEGER NOT NULL, attempt INTEGER NOT NULL,
    hash BLOB NOT NULL, link BLOB NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS transcript_hash ON transcript (hash);
  CREATE TABLE IF NOT EXISTS chapters (
    at INTEGER PRIMARY KEY, end INTEGER NOT NULL, idx INTEGER NOT NULL, attempt INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS chapters_attempt ON chapters (attempt);
  CREATE TABLE IF NOT EXISTS names (
    name BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, at)
  ) STRICT, WITHOUT ROWID;
`;

const readRecord = (row: Row): StoredRecord => ({
  at: Number(row['at']),
  index: Number(row['idx']),
  attempt: Number(row['attempt']),
  hash: bytesOf(row['hash']),
  link: bytesOf(row['link']),
  bytes: bytesOf(row['bytes']),
});

const readChapter = (row: Row): Chapter => ({
  at: Number(row['at']),
  end: Number(row['end']),
  index: Number(row['idx']),
  attempt: Number(row['attempt']),
  bytes: storedBytes(row['bytes']),
});

/** Calls `unpack`; an error of it means that the file is damaged. */
const opened = <Result>(chapter: Chapter, unpack: (chapter: Chapter) => Result): Result => {
  try {
    return unpack(chapter);
  } catch (cause) {
    throw corrupt(`the records of attempt ${chapter.attempt}: ${(cause as Error).message}`, cause);
  }
};

const nameOf = (hash: Uint8Array): Uint8Array => hash.subarray(0, NAME_BYTES);

export interface TranscriptWriter {
  /** @throws where a record of this hash or at this place is there */
  readonly add: (record: NewRecord) => void;
  /**
   * Packs the attempts before this one, or all if undefined; not those that an event still to be
   * replayed refers to.
   */
  readonly pack: (before: number | undefined) => void;
}

/** Runs within the caller's transaction. */
export const transcriptWriter = (database: DatabaseSync): TranscriptWriter => {
  const insert = database.prepare(
    'INSERT INTO transcript (at, idx, attempt, hash, link, bytes) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const rounds = database.prepare(
    'SELECT DISTINCT attempt FROM transcript WHERE attempt < ? AND attempt < coalesce((' +
      'SELECT min(t.attempt) FROM events e JOIN transcript t ON t.at = e.record), ?) ORDER BY attempt',
  );
  const rows = database.prepare('SELECT * FROM transcript WHERE attempt = ? ORDER BY at');
  const chapter = database.prepare(
    'INSERT INTO chapters (at, end, idx, attempt, bytes) VALUES (?, ?, ?, ?, ?)',
  );
  const name = database.prepare('INSERT INTO names (name, at) VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM transcript WHERE attempt = ?');
  return {
    add: ({ at, index, attempt, hash, link, bytes }) =>
      void insert.run(at, index, attempt, hash, link, bytes),
    pack: (before) => {
      const limit = before ?? Number.MAX_SAFE_INTEGER;
      for (const { attempt } of rounds.all(limit, limit)) {
        const records = rows.all(Number(attempt)).map(readRecord);
        // An attempt larger than the limit of readers is not packed.
        const total = records.reduce((sum, { bytes }) => sum + ENTRY_PREFIX + bytes.length, 0);
        if (total > MAX_CHAPTER_BYTES) continue;
        const packed = packChapter(records);
        chapter.run(packed.at, packed.end, packed.index, packed.attempt, packed.bytes);
        for (const { hash, at } of records) name.run(nameOf(hash), at);
        remove.run(Number(attempt));
      }
    },
  };
};

/** The bytes of records by their hashes, in hex; those that are not there are left out. */
const finder = (database: DatabaseSync) => {
  const row = database.prepare('SELECT bytes FROM transcript WHERE hash = ?');
  const places = database.prepare('SELECT at FROM names WHERE name = ?');
  const chapterAt = database.prepare(
    'SELECT * FROM chapters WHERE at <= ? ORDER BY at DESC LIMIT 1',
  );
  return (hashes: readonly Uint8Array[]): ReadonlyMap<string, Uint8Array> => {
    const found = new Map<string, Uint8Array>();
    const wanted = new Set<string>();
    const starts = new Set<number>();
    for (const hash of hashes) {
      const open = row.get(hash);
      if (open !== undefined) found.set(toHex(hash), bytesOf(open['bytes']));
      else {
        wanted.add(toHex(hash));
        for (const place of places.all(nameOf(hash))) starts.add(Number(place['at']));
      }
    }
    // Each chapter is unpacked once, one after the other.
    let end = 0;
    for (const at of [...starts].toSorted((a, b) => a - b)) {
      if (at < end) continue;
      const packed = chapterAt.get(at);
      if (packed === undefined) continue;
      const chapter = readChapter(packed);
      ({ end } = chapter);
      for (const { hash, bytes } of opened(chapter, recordsOf)) {
        const own = toHex(hash);
        if (wanted.has(own)) found.set(own, bytes);
      }
    }
    return found;
  };
};

type TranscriptTable = Pick<Journal, 'last' | 'records' | 'startOf' | 'attempt' | 'transcript'>;

export const transcriptOn = (database: DatabaseSync, guard: Guard): TranscriptTable => {
  const { one, all } = queriesOn(database);
  const entriesIn = database.prepare(
    'SELECT at, link, bytes FROM transcript WHERE at >= ? AND at < ? ORDER BY at',
  );
  const find = finder(database);

  /**
   * The entries that begin in [from, from + PIECE_BYTES), encoded; each byte is copied once from
   * what SQLite gives.
   */
  const openEntries = (from: number, end: number): Uint8Array | undefined => {
    const rows = entriesIn.all(from, Math.min(end, from + PIECE_BYTES));
    const last = rows.at(-1);
    if (last === undefined) return undefined;
    const size = Number(last['at']) - from + ENTRY_PREFIX + storedBytes(last['bytes']).length;
    const entries = new Uint8Array(size);
    for (const row of rows)
      writeStored(
        entries,
        Number(row['at']) - from,
        storedBytes(row['link']),
        storedBytes(row['bytes']),
      );
    return entries;
  };
  /**
   * The stored bytes from `from`: the rest of a chapter, or some entries of the current attempt.
   */
  const stored = (from: number, end: number): Uint8Array | undefined => {
    if (from >= end) return undefined;
    const row = one('SELECT * FROM chapters WHERE at <= ? AND end > ?', from, from);
    if (row === undefined) return openEntries(from, end);
    const chapter = readChapter(row);
    return opened(chapter, entriesOf).subarray(from - chapter.at);
  };

  return {
    last: () =>
      guard(() => {
        const row = one('SELECT * FROM transcript ORDER BY at DESC LIMIT 1');
        if (row !== undefined) return readRecord(row);
        const packed = one('SELECT * FROM chapters ORDER BY at DESC LIMIT 1');
        return packed && opened(readChapter(packed), recordsOf).at(-1);
      }),
    records: (hashes) =>
      guard(() => {
        const found = find(hashes);
        return hashes.map((hash) => {
          const bytes = found.get(toHex(hash));
          if (bytes === undefined) throw corrupt(`record ${toHex(hash)} is missing`);
          return bytes;
        });
      }),
    startOf: (attempt) =>
      guard(() => {
        const row =
          one('SELECT at FROM chapters WHERE attempt >= ? ORDER BY attempt LIMIT 1', attempt) ??
          one('SELECT at FROM transcript WHERE attempt >= ? ORDER BY at LIMIT 1', attempt);
        return row && Number(row['at']);
      }),
    attempt: (attempt) =>
      guard(() => {
        const packed = one('SELECT * FROM chapters WHERE attempt = ?', attempt);
        if (packed !== undefined) return opened(readChapter(packed), recordsOf);
        return all('SELECT * FROM transcript WHERE attempt = ? ORDER BY at', attempt).map(
          readRecord,
        );
      }),
    transcript: async function* transcript(start = 0, end = Number.MAX_SAFE_INTEGER) {
      // A range may begin within an entry of the attempt in progress.
      const first = await guard(() =>
        one('SELECT max(at) AS at FROM transcript WHERE at <= ?', start),
      );
      let from = Number(first?.['at'] ?? start);
      for (;;) {
        const place = from;
        // No statement stays open between the pieces: the journal is written meanwhile.
        const entries = await guard(() => stored(place, end));
        if (entries === undefined) return;
        const wanted = entries.subarray(Math.max(0, start - from), Math.max(0, end - from));
        for (let at = 0; at < wanted.length; at += PIECE_BYTES)
          yield wanted.subarray(at, at + PIECE_BYTES);
        from += entries.length;
      }
    },
  };
};
