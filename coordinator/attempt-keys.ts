/**
 * @module The coordinator's key pair of one attempt, to which the participants seal their answers.
 * The secret key must survive a crash between Open and Commit. It is therefore stored in a separate
 * table of the journal, and in no event, record or log. It is overwritten when the attempt ends,
 * because nobody may decrypt the answers in the public transcript afterwards.
 */
import { FloeError } from '../protocol/errors.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import { deriveKeys, type PublicKeys, type AttemptKeyPairs } from '../protocol/secagg/index.ts';
import type { SecretTable } from './journal/port.ts';

const SECRET_BYTES = 32;

export interface AttemptKeys {
  /**
   * The public key of an attempt; its secret is drawn on first use and durable once this returns.
   */
  create(attempt: number): Promise<PublicKeys>;
  /**
   * The key pair of an attempt. @throws FloeError `journal_corrupt` where none was created, or it
   * is erased
   */
  get(attempt: number): Promise<AttemptKeyPairs>;
  /** Erases every secret except that of `attempt`; undefined erases all. */
  keepOnly(attempt: number | undefined): Promise<void>;
}

/** @param secrets the journal's @param random a CSPRNG */
export const createAttemptKeys = (secrets: SecretTable, random: RandomSource): AttemptKeys => {
  let kept: number | undefined | null = null;
  let known: { readonly attempt: number; readonly keys: AttemptKeyPairs } | undefined;

  const read = async (attempt: number): Promise<AttemptKeyPairs | undefined> => {
    if (known?.attempt === attempt) return known.keys;
    const secret = await secrets.read(attempt);
    if (secret === undefined) return undefined;
    const keys = deriveKeys(secret, 'answer');
    known = { attempt, keys };
    return keys;
  };

  return {
    create: async (attempt) => {
      const found = await read(attempt);
      if (found !== undefined) return found.public;
      const secret = random(SECRET_BYTES);
      await secrets.write(attempt, secret);
      const keys = deriveKeys(secret, 'answer');
      known = { attempt, keys };
      return keys.public;
    },
    get: async (attempt) => {
      const keys = await read(attempt);
      if (keys === undefined)
        throw new FloeError(
          'journal_corrupt',
          `the key of attempt ${attempt} is not in the journal`,
        );
      return keys;
    },
    keepOnly: async (attempt) => {
      if (attempt === kept) return;
      if (known?.attempt !== attempt) known = undefined;
      await secrets.keepOnly(attempt);
      kept = attempt;
    },
  };
};
