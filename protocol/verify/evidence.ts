/**
 * @module What a participant is shown of the last committed round, so that it can check the commit:
 * the records from Open to Commit as they stand in the transcript, without the answers. They meet
 * the rules of the attempt, and hang together by hashes: the commit names the survivors, these the
 * uploads, the sharers the shares with the commitments that the secrets open. Enough survivors have
 * signed the survivor set and the set that R draws from, so that no other is put in their place
 * later.
 */
import { toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { decodeRecord, type RecordType, type SignedRecord } from '../records/records.ts';
import {
  contextOf,
  emptyView,
  livingGroups,
  requireLawful,
  sameList,
  withRecord,
  type ByAuthor,
  type AttemptView,
} from '../rules/index.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { MaskedRound } from './bundle-masks.ts';
import { RECORD_ORDER } from './record-order.ts';

/** Types of the records, in the order of the transcript: all but the answers. */
export const EVIDENCE_TYPES: readonly RecordType[] = RECORD_ORDER.filter(
  (type) => type !== 'unmask',
);

export interface CommitEvidence extends MaskedRound {
  readonly open: SignedRecord<'open'>;
  readonly cohort: SignedRecord<'cohort'>;
  readonly sharers: SignedRecord<'sharers'>;
  /** Of the survivors, in the order of the members. */
  readonly uploads: readonly SignedRecord<'upload'>[];
  readonly commit: SignedRecord<'commit'>;
}

const malformed = (message: string): FloeError => new FloeError('record_malformed', message);

/** The records of these authors, each the one that `hashes` names. */
const named = <Type extends 'register' | 'share' | 'upload'>(
  records: ByAuthor<Type>,
  authors: readonly Uint8Array[],
  hashes: readonly Uint8Array[],
): readonly SignedRecord<Type>[] => {
  const found = authors.flatMap((author) => records.get(toHex(author)) ?? []);
  const all = found.map(({ hash }) => hash);
  if (!sameList(hashes, all))
    throw malformed(`${authors.length} records are named, ${all.length} are shown, or others`);
  return found;
};

/** The records in their order, each compared with the rules that need no others than these. */
const viewOf = (
  spec: RunSpec,
  run: Uint8Array,
  beacon: AttemptView['beacon'],
  records: readonly Uint8Array[],
): AttemptView => {
  let view: AttemptView | undefined;
  let phase = 0;
  for (const bytes of records) {
    const record = decodeRecord(bytes);
    const place = EVIDENCE_TYPES.indexOf(record.type);
    if (place < phase) throw malformed(`a ${record.type} record out of its place`);
    phase = place;
    view ??= emptyView({ spec, run, attempt: record.attempt, beacon });
    requireLawful(view, record);
    view = withRecord(view, record);
  }
  if (view === undefined) throw malformed('no records are shown');
  return view;
};

/**
 * Reads the records of a committed, masked round.
 *
 * @param beacon where the beacon of an attempt is from, see `AttemptView`
 * @param records signed wire forms, in the order of the transcript
 * @throws FloeError of the rules of the attempt; `record_malformed`, `signature_invalid` of a
 * record; `record_malformed` where one is missing, out of place or not the one that was named;
 * `survivors_inconsistent` where too few signed the set
 */
export const readEvidence = (
  spec: RunSpec,
  run: Uint8Array,
  beacon: AttemptView['beacon'],
  records: readonly Uint8Array[],
): CommitEvidence => {
  const view = viewOf(spec, run, beacon, records);
  const { open, cohort, sharers, survivors, commit } = view;
  if (!open || !cohort || !sharers || !survivors || !commit)
    throw malformed('a record of the committed round is missing');
  for (const { group } of livingGroups({ spec, cohort }, survivors.body.members)) {
    const signed = [...group.keys].filter((key) => view.consistents.has(key)).length;
    if (signed < group.threshold)
      throw new FloeError(
        'survivors_inconsistent',
        `expected ${group.threshold} survivors to have signed the committed set, got ${signed}`,
      );
  }
  return {
    spec,
    open,
    registers: named(view.registers, cohort.body.members, cohort.body.registers),
    cohort,
    shares: named(view.shares, sharers.body.members, sharers.body.shares),
    sharers,
    uploads: named(view.uploads, survivors.body.members, survivors.body.uploads),
    survivors,
    commit,
    context: contextOf({ run, attempt: open.attempt, open, cohort }),
  };
};
