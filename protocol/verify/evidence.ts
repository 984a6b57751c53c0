/**
 * @module What a participant is shown of the last committed round, so that it can check the commit: the records from Open to
 * Commit as they stand in the transcript, without the answers. They hang together by hashes: the commit names the survivors,
 * these the uploads and, by the context, the cohort and the model; the sharers name the commitments that the masks open to.
 */
import { layoutOf } from '../aggregate/round.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import {
  COORDINATOR_RECORDS,
  decodeRecord,
  survivorsHash,
  type RecordType,
  type SignedRecord,
} from '../records.ts';
import type { RunSpec } from '../run-spec.ts';
import { cohortRoot, requireSortedIds, roundContext, threshold } from '../secagg/index.ts';
import type { MaskedRound } from './bundle-jobs.ts';

/** Types of the records, in the order of the transcript. */
export const EVIDENCE_TYPES = [
  'open',
  'register',
  'cohort',
  'share',
  'sharers',
  'upload',
  'survivors',
  'commit',
] as const satisfies readonly RecordType[];

export interface CommitEvidence extends MaskedRound {
  readonly open: SignedRecord<'open'>;
  readonly cohort: SignedRecord<'cohort'>;
  readonly sharers: SignedRecord<'sharers'>;
  /** Of the survivors, in the order of the members. */
  readonly uploads: readonly SignedRecord<'upload'>[];
  readonly commit: SignedRecord<'commit'>;
}

const malformed = (message: string): FloeError => new FloeError('record_malformed', message);

type ByType = { readonly [Type in (typeof EVIDENCE_TYPES)[number]]: SignedRecord<Type>[] };

/** Decodes, verifies the signatures, and holds run, round and author against what they must be. */
const sortOut = (spec: RunSpec, run: Uint8Array, records: readonly Uint8Array[]): ByType => {
  const found: ByType = {
    open: [],
    register: [],
    cohort: [],
    share: [],
    sharers: [],
    upload: [],
    survivors: [],
    commit: [],
  };
  let round: number | undefined;
  for (const bytes of records) {
    const record = decodeRecord(bytes);
    round ??= record.round;
    if (!equalBytes(record.run, run) || record.round !== round)
      throw new FloeError(
        'record_replayed',
        `a ${record.type} record belongs to another run or round`,
      );
    if (COORDINATOR_RECORDS.has(record.type) !== equalBytes(record.author, spec.coordinator))
      throw new FloeError('signature_invalid', `the ${record.type} record is not its author's`);
    if (!Object.hasOwn(found, record.type))
      throw malformed(`a ${record.type} record says nothing about a commit`);
    (found[record.type as keyof ByType] as SignedRecord[]).push(record);
  }
  return found;
};

const one = <Type extends keyof ByType>(found: ByType, type: Type): ByType[Type][number] => {
  const [first, second] = found[type];
  if (first === undefined || second !== undefined)
    throw malformed(`expected one ${type} record, got ${found[type].length}`);
  return first;
};

/** The records of these authors in this order, each the one that `hashes` names. */
const named = <Type extends 'register' | 'share' | 'upload'>(
  records: readonly SignedRecord<Type>[],
  authors: readonly Uint8Array[],
  hashes: readonly Uint8Array[],
  type: Type,
): SignedRecord<Type>[] => {
  if (authors.length !== hashes.length || records.length !== authors.length)
    throw malformed(`expected ${authors.length} ${type} records, got ${records.length}`);
  const byHash = new Map(records.map((record) => [toHex(record.hash), record]));
  return authors.map((author, i) => {
    const record = byHash.get(toHex(hashes[i] as Uint8Array));
    if (record === undefined || !equalBytes(record.author, author))
      throw malformed(`the ${type} record of member ${i} is not the one that was named`);
    return record;
  });
};

const checkAmong = (
  members: readonly Uint8Array[],
  of: readonly Uint8Array[],
  what: string,
): void => {
  requireSortedIds(members, 'record_malformed', what);
  const known = new Set(of.map(toHex));
  if (!members.every((member) => known.has(toHex(member))))
    throw new FloeError('not_in_cohort', `the ${what} are not all among those before them`);
};

/**
 * Reads the records of a committed, masked round and checks that they hang together.
 *
 * @param records signed wire forms, in the order of the transcript
 * @throws FloeError `record_malformed`, `signature_invalid`, `record_replayed`, `context_mismatch`, `not_in_cohort`,
 *   `survivors_inconsistent`, `cohort_too_small`
 */
export const readEvidence = (
  spec: RunSpec,
  run: Uint8Array,
  records: readonly Uint8Array[],
): CommitEvidence => {
  const found = sortOut(spec, run, records);
  const open = one(found, 'open');
  const cohort = one(found, 'cohort');
  const sharers = one(found, 'sharers');
  const survivors = one(found, 'survivors');
  const commit = one(found, 'commit');
  const { members, root, beacon } = cohort.body;
  if (!equalBytes(root, cohortRoot(members)))
    throw malformed('the root of the cohort is not that of its members');
  const registers = named(found.register, members, cohort.body.registers, 'register');
  if (!registers.every(({ body }) => equalBytes(body.open, open.hash)))
    throw new FloeError('record_replayed', 'a registration answers another open record');
  const context = roundContext({
    runHash: run,
    round: open.round,
    modelHash: open.body.model.hash,
    configHash: run,
    cohortRoot: root,
    beacon,
  });
  checkAmong(sharers.body.members, members, 'sharers');
  const shares = named(found.share, sharers.body.members, sharers.body.shares, 'share');
  const alive = survivors.body.members;
  checkAmong(alive, sharers.body.members, 'survivors');
  const uploads = named(found.upload, alive, survivors.body.uploads, 'upload');
  for (const record of [sharers, survivors, ...shares, ...uploads])
    if (!equalBytes(record.body.context, context))
      throw new FloeError('context_mismatch', `a ${record.type} record is of another context`);
  const least = Math.max(spec.cohort.minimum, threshold(members.length));
  if (alive.length < least)
    throw new FloeError(
      'cohort_too_small',
      `expected at least ${least} survivors, got ${alive.length}`,
    );
  const size = layoutOf(spec, members.length).byteLength;
  if (!uploads.every(({ body }) => body.blob.size === size))
    throw malformed(`expected uploads of ${size} bytes`);
  const { hash } = survivors.body;
  const set = survivorsHash(context, alive, survivors.body.uploads);
  if (!equalBytes(hash, set) || !equalBytes(commit.body.survivors, hash))
    throw new FloeError('survivors_inconsistent', 'the commit is over another survivor set');
  const { step, model } = commit.body;
  const fits =
    equalBytes(step.before, open.body.model.hash) &&
    equalBytes(step.after, model.hash) &&
    model.version === commit.round &&
    step.optimiser === spec.optimiser.type &&
    step.learningRate === spec.optimiser.learningRate;
  if (!fits) throw malformed("the commit's step is not that of the round");
  return { open, registers, cohort, shares, sharers, uploads, survivors, commit, context };
};
