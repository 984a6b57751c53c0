/**
 * @module The coordinator's key pair of one attempt, to which the participants seal their answers. Its secret outlives a
 * crash between Open and Commit and nothing else: it is in a table of the journal's database of its own, in no event, record
 * or log, and is overwritten when the attempt is over, so that the public transcript opens to nobody afterwards.
 *
 * SQLite overwrites deleted content with zeros (`secure_delete`), and the write-ahead log that held the row is emptied. What a
 * file system or a disk keeps of overwritten blocks is beyond this.
 */
import type { DatabaseSync } from 'node:sqlite';
import { FloeError } from '../protocol/errors.ts';
import type { RandomSource } from '../protocol/random.ts';
import { deriveKeys, type PublicKeys, type RoundKeys } from '../protocol/secagg/index.ts';

const SECRET_BYTES = 32;

export interface AttemptKeys {
  /** The public key of an attempt; its secret is drawn on first use and durable once this returns. */
  create(round: number): PublicKeys;
  /** The key pair of an attempt. @throws FloeError `journal_corrupt` where none was created, or it is erased */
  get(round: number): RoundKeys;
  /** Erases every secret but that of `round`; all of them where it is undefined. */
  keepOnly(round: number | undefined): void;
}

/** @param database the journal's @param random a CSPRNG */
export const createAttemptKeys = (database: DatabaseSync, random: RandomSource): AttemptKeys => {
  database.exec(`
    PRAGMA secure_delete = ON;
    CREATE TABLE IF NOT EXISTS attempt_keys (round INTEGER PRIMARY KEY, secret BLOB NOT NULL) STRICT;
  `);
  const select = database.prepare('SELECT secret FROM attempt_keys WHERE round = ?');
  const insert = database.prepare('INSERT INTO attempt_keys (round, secret) VALUES (?, ?)');
  const erase = database.prepare('DELETE FROM attempt_keys WHERE round <> ?');
  let kept: number | undefined | null = null;
  let known: { readonly round: number; readonly keys: RoundKeys } | undefined;

  const read = (round: number): RoundKeys | undefined => {
    if (known?.round === round) return known.keys;
    const secret = select.get(round)?.['secret'];
    if (!(secret instanceof Uint8Array)) return undefined;
    const keys = deriveKeys(new Uint8Array(secret), 'answer');
    known = { round, keys };
    return keys;
  };

  return {
    create: (round) => {
      const found = read(round);
      if (found !== undefined) return found.public;
      const secret = random(SECRET_BYTES);
      insert.run(round, secret);
      const keys = deriveKeys(secret, 'answer');
      known = { round, keys };
      return keys.public;
    },
    get: (round) => {
      const keys = read(round);
      if (keys === undefined)
        throw new FloeError('journal_corrupt', `the key of attempt ${round} is not in the journal`);
      return keys;
    },
    keepOnly: (round) => {
      if (round === kept) return;
      if (known?.round !== round) known = undefined;
      const { changes } = erase.run(round ?? -1);
      if (changes !== 0) database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      kept = round;
    },
  };
};
