/**
 * @module The transcript in the SQLite journal: its records by place, hash and round, and its bytes
 * as they are stored. A record is one row, whose key is where its entry begins.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { ENTRY_PREFIX, writeStored } from '../../protocol/records/transcript.ts';
import type { Journal, StoredRecord } from './port.ts';
import { bytesOf, corrupt, storedBytes, type Guard, type Row } from './sqlite-tables.ts';

/** Bytes of the transcript that are in memory at once while it is read, a last record aside. */
const PIECE_BYTES = 64 << 10;
/** Names in one query. */
const NAMES_AT_ONCE = 500;

const readRecord = (row: Row): StoredRecord => ({
  at: Number(row['at']),
  index: Number(row['idx']),
  round: Number(row['round']),
  hash: bytesOf(row['hash']),
  link: bytesOf(row['link']),
  bytes: bytesOf(row['bytes']),
});

type TranscriptTable = Pick<Journal, 'last' | 'records' | 'startOf' | 'round' | 'transcript'>;

export const transcriptOn = (database: DatabaseSync, guard: Guard): TranscriptTable => {
  const all = (sql: string, ...values: SQLInputValue[]): Row[] =>
    database.prepare(sql).all(...values);
  const one = (sql: string, ...values: SQLInputValue[]): Row | undefined =>
    database.prepare(sql).get(...values);

  const entriesIn = database.prepare(
    'SELECT at, link, bytes FROM transcript WHERE at >= ? AND at < ? ORDER BY at',
  );
  /**
   * The entries that begin in [from, from + PIECE_BYTES), encoded; each byte is copied once from
   * what SQLite gives.
   */
  const piece = (from: number, end: number): Uint8Array | undefined => {
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

  return {
    last: () =>
      guard(() => {
        const row = one('SELECT * FROM transcript ORDER BY at DESC LIMIT 1');
        return row && readRecord(row);
      }),
    records: (hashes) =>
      guard(() => {
        const found = new Map<string, Uint8Array>();
        for (let i = 0; i < hashes.length; i += NAMES_AT_ONCE) {
          const names = hashes.slice(i, i + NAMES_AT_ONCE);
          const marks = names.map(() => '?').join(',');
          for (const row of all(
            `SELECT hash, bytes FROM transcript WHERE hash IN (${marks})`,
            ...names,
          ))
            found.set(Buffer.from(bytesOf(row['hash'])).toString('hex'), bytesOf(row['bytes']));
        }
        return hashes.map((hash) => {
          const name = Buffer.from(hash).toString('hex');
          const bytes = found.get(name);
          if (bytes === undefined) throw corrupt(`record ${name} is missing`);
          return bytes;
        });
      }),
    startOf: (round) =>
      guard(() => {
        const row = one(
          'SELECT at FROM transcript WHERE round >= ? ORDER BY round, at LIMIT 1',
          round,
        );
        return row && Number(row['at']);
      }),
    round: (round) =>
      guard(() =>
        all('SELECT * FROM transcript WHERE round = ? ORDER BY at', round).map(readRecord),
      ),
    transcript: async function* transcript(start = 0, end = Number.MAX_SAFE_INTEGER) {
      // A range may begin within an entry.
      const first = await guard(() =>
        one('SELECT max(at) AS at FROM transcript WHERE at <= ?', start),
      );
      let from = Number(first?.['at'] ?? 0);
      for (;;) {
        // No statement stays open between the pieces: the journal is written meanwhile.
        // oxlint-disable-next-line no-await-in-loop
        const entries = await guard(() => piece(from, end));
        if (entries === undefined) return;
        const wanted = entries.subarray(Math.max(0, start - from), Math.max(0, end - from));
        if (wanted.length > 0) yield wanted;
        from += entries.length;
      }
    },
  };
};
