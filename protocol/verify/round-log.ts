/**
 * @module A run's transcript taken apart: the records of each round by type, in the order of
 * acceptance.
 */
import type { RecordType, SignedRecord } from '../records/records.ts';
import type { TranscriptEntry } from '../records/transcript.ts';
import { Culprit } from './culprit.ts';

/** What one round left in the transcript. */
export interface RoundLog {
  readonly round: number;
  readonly entries: readonly TranscriptEntry[];
  all<Type extends RecordType>(type: Type): readonly SignedRecord<Type>[];
  /** The only record of this type. @throws Culprit when there is none or more than one */
  one<Type extends RecordType>(type: Type): SignedRecord<Type>;
  /** The only record of this type, if any. @throws Culprit when there is more than one */
  maybe<Type extends RecordType>(type: Type): SignedRecord<Type> | undefined;
  /** Place of a record in the transcript. */
  indexOf(record: SignedRecord): number;
}

/** Where a type may stand: what it must come after. The order is that of the phases. */
const ORDER: readonly RecordType[] = [
  'open',
  'register',
  'cohort',
  'share',
  'sharers',
  'upload',
  'survivors',
  'consistent',
  'unmask',
  'commit',
];

const makeLog = (round: number, entries: readonly TranscriptEntry[]): RoundLog => {
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
      throw new Culprit(extra, indexOf(extra), `a second ${type} record in one round`);
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
      `round ${round} has no ${type} record`,
      type,
    );
  };
  return { round, entries, all, one, maybe, indexOf };
};

/**
 * Splits a transcript into rounds, in order.
 *
 * @throws Culprit when a record stands outside its round or before its phase
 */
export const splitRounds = (entries: readonly TranscriptEntry[]): readonly RoundLog[] => {
  const rounds = new Map<number, TranscriptEntry[]>();
  let latest = 0;
  let phase = 0;
  for (const entry of entries) {
    const { round, type } = entry.record;
    if (round < latest)
      throw new Culprit(entry.record, entry.index, `round ${round} comes after round ${latest}`);
    if (round > latest) {
      const before = rounds.get(latest)?.at(-1)?.record.type ?? 'commit';
      const isOver = before === 'commit' || before === 'abort';
      if (round !== latest + 1 || !isOver)
        throw new Culprit(
          entry.record,
          entry.index,
          `round ${round} begins before round ${round - 1} has ended`,
        );
      phase = 0;
    }
    latest = round;
    const place =
      type === 'abort' ? ORDER.length : ORDER.indexOf(type === 'complaint' ? 'upload' : type);
    if (place < phase)
      throw new Culprit(entry.record, entry.index, `a ${type} record comes after its phase`);
    phase = place;
    rounds.set(round, [...(rounds.get(round) ?? []), entry]);
  }
  return [...rounds].map(([round, own]) => makeLog(round, own));
};
