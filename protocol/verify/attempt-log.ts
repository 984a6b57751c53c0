/**
 * @module A run's transcript taken apart: the records of each attempt by type, in the order of
 * acceptance.
 */
import type { RecordType, SignedRecord } from '../records/records.ts';
import type { TranscriptEntry } from '../records/transcript.ts';
import { Culprit } from './culprit.ts';
import { RECORD_ORDER } from './record-order.ts';

/** What one attempt left in the transcript. */
export interface AttemptLog {
  readonly attempt: number;
  readonly entries: readonly TranscriptEntry[];
  all<Type extends RecordType>(type: Type): readonly SignedRecord<Type>[];
  /** The only record of this type. @throws Culprit when there is none or more than one */
  one<Type extends RecordType>(type: Type): SignedRecord<Type>;
  /** The only record of this type, if any. @throws Culprit when there is more than one */
  maybe<Type extends RecordType>(type: Type): SignedRecord<Type> | undefined;
  /** Place of a record in the transcript. */
  indexOf(record: SignedRecord): number;
}

const makeLog = (attempt: number, entries: readonly TranscriptEntry[]): AttemptLog => {
  const all = <Type extends RecordType>(type: Type): SignedRecord<Type>[] =>
    entries
      .filter((entry) => entry.record.type === type)
      .map((entry) => entry.record as SignedRecord<Type>);
  const indexOf = (record: SignedRecord): number =>
    entries.find((entry) => entry.record === record)?.index ?? -1;
  const maybe = <Type extends RecordType>(type: Type): SignedRecord<Type> | undefined => {
    const [first, second] = all(type);
    if (second !== undefined) {
      const extra = second as SignedRecord;
      throw new Culprit(extra, indexOf(extra), `a second ${type} record in one attempt`);
    }
    return first;
  };
  const one = <Type extends RecordType>(type: Type): SignedRecord<Type> => {
    const record = maybe(type);
    if (record !== undefined) return record;
    const last = entries.at(-1);
    throw new Culprit(
      last?.record,
      last?.index ?? -1,
      `attempt ${attempt} has no ${type} record`,
      type,
    );
  };
  return { attempt, entries, all, one, maybe, indexOf };
};

/**
 * Splits a transcript into rounds, in order.
 *
 * @throws Culprit when a record stands outside its attempt or before its phase
 */
export const splitAttempts = (entries: readonly TranscriptEntry[]): readonly AttemptLog[] => {
  const rounds = new Map<number, TranscriptEntry[]>();
  let latest = 0;
  let phase = 0;
  for (const entry of entries) {
    const { attempt, type } = entry.record;
    if (attempt < latest)
      throw new Culprit(
        entry.record,
        entry.index,
        `attempt ${attempt} comes after attempt ${latest}`,
      );
    if (attempt > latest) {
      const before = rounds.get(latest)?.at(-1)?.record.type ?? 'commit';
      const isOver = before === 'commit' || before === 'abort';
      if (attempt !== latest + 1 || !isOver)
        throw new Culprit(
          entry.record,
          entry.index,
          `attempt ${attempt} begins before attempt ${attempt - 1} has ended`,
        );
      phase = 0;
    }
    latest = attempt;
    const place =
      type === 'abort'
        ? RECORD_ORDER.length
        : RECORD_ORDER.indexOf(type === 'complaint' ? 'upload' : type);
    if (place < phase)
      throw new Culprit(entry.record, entry.index, `a ${type} record comes after its phase`);
    phase = place;
    rounds.set(attempt, [...(rounds.get(attempt) ?? []), entry]);
  }
  return [...rounds].map(([attempt, own]) => makeLog(attempt, own));
};
