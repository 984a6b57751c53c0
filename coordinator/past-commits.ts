/**
 * @module The commits of a run as the journal has them, from the newest back: the Open record of
 * each names the model, and with it the attempt, of the commit before.
 */
import type { SignedRecord } from '../protocol/records/records.ts';
import { attemptEntries } from './journal/history.ts';
import type { Journal } from './journal/port.ts';

/** The records of an attempt that was committed. */
export interface PastCommit {
  readonly open: SignedRecord<'open'>;
  readonly commit: SignedRecord<'commit'>;
  /** Sizes of the sets. */
  readonly cohort: number;
  readonly survivors: number;
}

const recordsOf = async (journal: Journal, attempt: number): Promise<Partial<PastCommit>> => {
  let found: Partial<PastCommit> = {};
  for (const { record } of await attemptEntries(journal, attempt))
    if (record.type === 'open') found = { ...found, open: record };
    else if (record.type === 'commit') found = { ...found, commit: record };
    else if (record.type === 'cohort') found = { ...found, cohort: record.body.members.length };
    else if (record.type === 'survivors')
      found = { ...found, survivors: record.body.members.length };
  return found;
};

/**
 * The attempt of the commit before: that of the model which the Open record of an attempt names; 0
 * for the first model.
 */
export const commitBefore = async (journal: Journal, attempt: number): Promise<number> =>
  (await recordsOf(journal, attempt)).open?.body.model.version ?? 0;

/**
 * The newest commits, the oldest of them first.
 *
 * @param attempt of the newest one, 0 for none @param most how many
 * @throws FloeError `journal_corrupt`
 */
export const newestCommits = async (
  journal: Journal,
  attempt: number,
  most: number,
): Promise<readonly PastCommit[]> => {
  const found: PastCommit[] = [];
  for (let at = attempt; at > 0 && found.length < most;) {
    const { open, commit, cohort, survivors } = await recordsOf(journal, at);
    if (!open || !commit || cohort === undefined || survivors === undefined) break;
    found.push({ open, commit, cohort, survivors });
    at = open.body.model.version;
  }
  return found.toReversed();
};
