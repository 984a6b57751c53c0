/**
 * @module The coordinator's key pair of one attempt, to which the participants seal their answers.
 * The secret key must survive a crash between Open and Commit. It is therefore stored in a separate
 * table of the journal, and in no event, record or log. It is overwritten when the attempt ends,
 * because nobody may decrypt the answers in the public transcript afterwards.
 */
import { FloeError } from '../protocol/errors.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import { deriveKeys, type PublicKeys, type RoundKeys } from '../protocol/secagg/index.ts';
import type { SecretTable } from './journal/port.ts';

const SECRET_BYTES = 32;

export interface AttemptKeys {
  /**
   * The public key of an attempt; its secret is drawn on first use and durable once this returns.
   */
  create(round: number): Promise<PublicKeys>;
  /**
   * The key pair of an attempt. @throws FloeError `journal_corrupt` where none was created, or it
   * is erased
   */
  get(round: number): Promise<RoundKeys>;
  /** Erases every secret except that of `round`; undefined erases all. */
  keepOnly(round: number | undefined): Promise<void>;
}

/** @param secrets the journal's @param random a CSPRNG */
export const createAttemptKeys = (secrets: SecretTable, random: RandomSource): AttemptKeys => {
  let kept: number | undefined | null = null;
  let known: { readonly round: number; readonly keys: RoundKeys } | undefined;

  const read = async (round: number): Promise<RoundKeys | undefined> => {
    if (known?.round === round) return known.keys;
    const secret = await secrets.read(round);
    if (secret === undefined) return undefined;
    const keys = deriveKeys(secret, 'answer');
    known = { round, keys };
    return keys;
  };

  return {
    create: async (round) => {
      const found = await read(round);
      if (found !== undefined) return found.public;
      const secret = random(SECRET_BYTES);
      await secrets.write(round, secret);
      const keys = deriveKeys(secret, 'answer');
      known = { round, keys };
      return keys.public;
    },
    get: async (round) => {
      const keys = await read(round);
      if (keys === undefined)
        throw new FloeError('journal_corrupt', `the key of attempt ${round} is not in the journal`);
      return keys;
    },
    keepOnly: async (round) => {
      if (round === kept) return;
      if (known?.round !== round) known = undefined;
      await secrets.keepOnly(round);
      kept = round;
    },
  };
};
