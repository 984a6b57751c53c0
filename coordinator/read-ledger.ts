/**
 * @module Reads the freezes from the journal of a finished run, to verify the run's folder.
 */
import { FloeError, toFloeError } from '../protocol/errors.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import { openJournalToRead } from './journal/sqlite-reader.ts';
import { journalLedger } from './ledger.ts';

export interface JournalFreezes {
  readonly ledger: Ledger;
  close(): void | Promise<void>;
}

/**
 * @param path of the journal @throws FloeError `journal_corrupt`, `journal_locked`; its ledger too
 */
export const readJournalLedger = async (path: string): Promise<JournalFreezes> => {
  const named = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (thrown) {
      const { code, message } = toFloeError(thrown);
      const own = code === 'internal' ? 'journal_corrupt' : code;
      throw new FloeError(own, `${path}: ${message}`, {}, { cause: thrown });
    }
  };
  const journal = await named(() => openJournalToRead(path));
  const ledger = journalLedger(journal);
  return {
    ledger: {
      ...ledger,
      readCohort: (...what) => named(() => ledger.readCohort(...what)),
      readSurvivors: (...what) => named(() => ledger.readSurvivors(...what)),
      readModel: (...what) => named(() => ledger.readModel(...what)),
    },
    close: () => journal.close(),
  };
};
