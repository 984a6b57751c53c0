/**
 * @module The tables of the SQLite journal that are not part of a batch: the freezes of the local
 * ledger, the secrets of attempts, and the uploads that are not settled yet.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { FrozenTable, LooseBlobs, SecretTable } from './port.ts';

export const corrupt = (message: string, cause?: unknown): FloeError =>
  new FloeError('journal_corrupt', message, {}, { cause });

export const bytesOf = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw corrupt('expected bytes in the journal');
  return new Uint8Array(value);
};

/** The bytes as SQLite returns them, without a copy: for callers that copy immediately. */
export const storedBytes = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw corrupt('expected bytes in the journal');
  return value;
};

export type Row = Record<string, unknown>;

export const readBlob = (row: Row): BlobRef => ({
  id: String(row['id']),
  sha256: bytesOf(row['sha256']),
  size: Number(row['size']),
});

/** Runs a statement, and calls what SQLite throws by its name. */
export type Guard = <Result>(work: () => Result) => Promise<Result>;

export interface Queries {
  readonly one: (sql: string, ...values: SQLInputValue[]) => Row | undefined;
  readonly all: (sql: string, ...values: SQLInputValue[]) => Row[];
}

/**
 * Queries by their text, each prepared once: SQLite allocates the memory of a statement, and the
 * garbage collector does not account for it.
 */
export const queriesOn = (database: DatabaseSync): Queries => {
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    const known = prepared.get(sql) ?? database.prepare(sql);
    prepared.set(sql, known);
    return known;
  };
  return {
    one: (sql, ...values) => statement(sql).get(...values),
    all: (sql, ...values) => statement(sql).all(...values),
  };
};

/**
 * Erases with SQLite's `secure_delete`: deleted rows are overwritten with zeros in place, and the
 * write-ahead log that held them is emptied. Copies of overwritten blocks that a file system or a
 * disk keeps are not erased.
 */
export const secretsOn = (database: DatabaseSync, guard: Guard): SecretTable => {
  const select = database.prepare('SELECT secret FROM secrets WHERE attempt = ?');
  const insert = database.prepare('INSERT INTO secrets (attempt, secret) VALUES (?, ?)');
  const erase = database.prepare('DELETE FROM secrets WHERE attempt <> ?');
  return {
    read: (attempt) =>
      guard(() => {
        const row = select.get(attempt);
        return row && bytesOf(row['secret']);
      }),
    write: (attempt, secret) => guard(() => void insert.run(attempt, secret)),
    keepOnly: (attempt) =>
      guard(() => {
        if (erase.run(attempt ?? -1).changes !== 0)
          database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      }),
  };
};

export const looseOn = (
  database: DatabaseSync,
  guard: Guard,
  atOnce: (work: () => void) => void,
): LooseBlobs => {
  const select = database.prepare(
    'SELECT id, sha256, size, loose FROM blobs WHERE loose < ? ORDER BY loose',
  );
  const drop = database.prepare('DELETE FROM blobs WHERE id = ?');
  const keep = database.prepare('UPDATE blobs SET loose = NULL WHERE id = ?');
  return {
    before: (attempt) =>
      guard(() => {
        const found = new Map<number, BlobRef[]>();
        for (const row of select.all(attempt)) {
          const own = Number(row['loose']);
          found.set(own, [...(found.get(own) ?? []), readBlob(row)]);
        }
        return found;
      }),
    settle: (dropped, kept) =>
      guard(() =>
        atOnce(() => {
          for (const id of dropped) drop.run(id);
          for (const id of kept) keep.run(id);
        }),
      ),
  };
};

export const frozenOn = (database: DatabaseSync, guard: Guard): FrozenTable => {
  const insert = database.prepare(
    'INSERT INTO frozen (kind, run, attempt, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const select = database.prepare(
    'SELECT value FROM frozen WHERE kind = ? AND run = ? AND attempt = ?',
  );
  const attempts = database.prepare(
    'SELECT attempt FROM frozen WHERE kind = ? AND run = ? AND attempt >= ? AND attempt < ? ORDER BY attempt',
  );
  const read = (kind: string, run: Uint8Array, attempt: number): Uint8Array | undefined => {
    const row = select.get(kind, run, attempt);
    return row && bytesOf(row['value']);
  };
  return {
    freeze: (kind, run, attempt, value) =>
      guard(() => {
        insert.run(kind, run, attempt, value);
        return read(kind, run, attempt) ?? value;
      }),
    read: (kind, run, attempt) => guard(() => read(kind, run, attempt)),
    attempts: (kind, run, first = 0, end = Number.MAX_SAFE_INTEGER) =>
      guard(() => attempts.all(kind, run, first, end).map(({ attempt }) => Number(attempt))),
  };
};
