/**
 * @module Level 0 of verification: what anyone can check of a round without a key. Signatures and links were checked when
 * the transcript was read; here: who said what when, the cohort, the context, the survivor set, the ledger, the blobs.
 */
import { equalBytes, toHex } from '../bytes.ts';
import type { BlobRef, BlobStore } from '../blobs/blob-store.ts';
import { layoutOf } from '../aggregate/round.ts';
import { ENVELOPE_OVERHEAD } from '../envelope.ts';
import { FloeError } from '../errors.ts';
import { cohortEntropy, localBeacon } from '../ledger/beacon.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { chunkRoot } from '../merkle.ts';
import {
  COORDINATOR_RECORDS,
  dataCommitment,
  survivorsHash,
  type SignedRecord,
} from '../records.ts';
import { selectionFault } from '../rules/selection.ts';
import { mayBeginWith, type RunSpec } from '../run-spec.ts';
import { cohortRoot, roundContext, threshold } from '../secagg/index.ts';
import { blaming, Culprit, MissingBlob } from './culprit.ts';
import type { RoundLog } from './round-log.ts';

export interface RuleContext {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: Ledger | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What level 1 goes on with. */
export interface CheckedRound {
  readonly open: SignedRecord<'open'>;
  readonly cohort: SignedRecord<'cohort'>;
  readonly registers: readonly SignedRecord<'register'>[];
  readonly context: Uint8Array;
  /** Shares of U1, in the order of the authors; empty without masks. */
  readonly shares: readonly SignedRecord<'share'>[];
  readonly survivors: SignedRecord<'survivors'>;
  /** Uploads of U, in the order of the members. */
  readonly uploads: readonly SignedRecord<'upload'>[];
  readonly commit: SignedRecord<'commit'>;
}

type Check = (record: SignedRecord, condition: boolean, reason: string) => void;

const sameList = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((item, i) => equalBytes(item, b[i] as Uint8Array));

const byAuthor = <Row extends SignedRecord>(
  records: readonly Row[],
  members: readonly Uint8Array[],
): (Row | undefined)[] =>
  members.map((member) => records.find((record) => equalBytes(record.author, member)));

/**
 * Reads a blob that a record names; the record is the culprit when the blob is not there or not what was signed.
 *
 * @throws Culprit; FloeError `store_unavailable`, `aborted`, which are nobody's lie
 */
export const readBlob = async (
  { store, signal }: RuleContext,
  log: RoundLog,
  record: SignedRecord,
  ref: BlobRef,
  what: string,
): Promise<Uint8Array> => {
  try {
    return await store.get(ref, signal === undefined ? {} : { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof FloeError && cause.code === 'store_unavailable') throw cause;
    const missing = cause instanceof FloeError && cause.code === 'blob_not_found';
    throw new (missing ? MissingBlob : Culprit)(
      record,
      log.indexOf(record),
      `${what} (blob ${ref.id}): ${(cause as Error).message}`,
    );
  }
};

/** Whether two model references name the same clear model in the same blob; envelopes differ by reader. */
const sameModel = (
  a: SignedRecord<'open'>['body']['model'],
  b: SignedRecord<'open'>['body']['model'],
): boolean =>
  a.version === b.version &&
  equalBytes(a.hash, b.hash) &&
  equalBytes(a.blob.sha256, b.blob.sha256) &&
  a.blob.size === b.blob.size;

const checkAuthors = (rules: RuleContext, log: RoundLog, check: Check): void => {
  const seen = new Set<string>();
  for (const { record } of log.entries) {
    const own = equalBytes(record.author, rules.spec.coordinator);
    check(record, own === COORDINATOR_RECORDS.has(record.type), 'signed by the wrong party');
    const key = `${record.type}/${toHex(record.author)}`;
    check(record, !seen.has(key), `a second ${record.type} record of the same author`);
    seen.add(key);
  }
};

const checkCohort = async (
  rules: RuleContext,
  log: RoundLog,
  open: SignedRecord<'open'>,
  check: Check,
) => {
  const { spec, run, ledger } = rules;
  const cohort = log.one('cohort');
  const { members, root, beacon } = cohort.body;
  const registers = byAuthor(log.all('register'), members).map((register, i) => {
    check(cohort, register !== undefined, `member ${i} has not registered`);
    return register as SignedRecord<'register'>;
  });
  for (const register of registers)
    check(register, equalBytes(register.body.open, open.hash), 'answers another open record');
  check(
    cohort,
    sameList(
      cohort.body.registers,
      registers.map((register) => register.hash),
    ),
    'names other registrations',
  );
  check(
    cohort,
    members.length >= spec.cohort.minimum,
    `${members.length} members are fewer than the minimum`,
  );
  check(
    cohort,
    members.length <= spec.cohort.size,
    `${members.length} members are more than the size`,
  );
  check(cohort, equalBytes(root, cohortRoot(members)), 'the root is not that of the members');
  const quorum = spec.secagg === 'masked' ? threshold(members.length) : 0;
  check(
    cohort,
    cohort.body.threshold === quorum,
    `expected the threshold ${quorum}, got ${cohort.body.threshold}`,
  );
  if (ledger !== undefined) {
    const frozen = await ledger.readCohort(run, log.round);
    check(
      cohort,
      frozen !== undefined && equalBytes(frozen.root, root) && equalBytes(frozen.beacon, beacon),
      'the ledger holds another cohort',
    );
  }
  if (ledger === undefined || ledger.beacon === 'members') {
    const entropy = cohortEntropy(registers.map((register) => register.body.nonce));
    check(
      cohort,
      equalBytes(beacon, localBeacon(root, entropy)),
      'the beacon is not that of the members',
    );
  }
  const context = roundContext({
    runHash: run,
    round: log.round,
    modelHash: open.body.model.hash,
    configHash: open.body.config,
    cohortRoot: root,
    beacon,
  });
  return { cohort, registers, context, quorum };
};

const checkSharers = (
  rules: RuleContext,
  log: RoundLog,
  cohort: SignedRecord<'cohort'>,
  context: Uint8Array,
  check: Check,
) => {
  if (rules.spec.secagg === 'none') return { authors: cohort.body.members, shares: [] };
  const sharers = log.one('sharers');
  check(sharers, equalBytes(sharers.body.context, context), 'bound to another context');
  const shares = byAuthor(log.all('share'), sharers.body.members).map((share, i) => {
    check(sharers, share !== undefined, `sharer ${i} has not shared`);
    return share as SignedRecord<'share'>;
  });
  for (const share of shares) {
    check(share, equalBytes(share.body.context, context), 'bound to another context');
    check(
      share,
      cohort.body.members.some((member) => equalBytes(member, share.author)),
      'not a member of the cohort',
    );
    check(
      share,
      share.body.entries.length === cohort.body.members.length,
      'not one entry for each member',
    );
  }
  check(
    sharers,
    sameList(
      sharers.body.shares,
      shares.map((share) => share.hash),
    ),
    'names other shares',
  );
  return { authors: sharers.body.members, shares };
};

/** Where an upload can be read: where the commit says it is kept for good, else where its author put it. */
export const lastingRef = (
  commit: SignedRecord<'commit'>,
  survivors: SignedRecord<'survivors'>,
  upload: SignedRecord<'upload'>,
): BlobRef => {
  const at = survivors.body.uploads.findIndex((hash) => equalBytes(hash, upload.hash));
  const id = commit.body.archive?.[at];
  // Size and hash stay the author's: the coordinator can say where, not what.
  return id === undefined ? upload.body.blob : { ...upload.body.blob, id };
};

const checkUpload = async (
  rules: RuleContext,
  log: RoundLog,
  upload: SignedRecord<'upload'>,
  ref: BlobRef,
  n: number,
  check: Check,
): Promise<void> => {
  const expected =
    layoutOf(rules.spec, n).byteLength + (rules.spec.secagg === 'none' ? ENVELOPE_OVERHEAD : 0);
  check(
    upload,
    upload.body.blob.size === expected,
    `expected a blob of ${expected} bytes, got ${upload.body.blob.size}`,
  );
  const bytes = await readBlob(rules, log, upload, ref, 'the upload');
  check(
    upload,
    equalBytes(upload.body.chunkRoot, chunkRoot(bytes)),
    'the chunk root is not that of the blob',
  );
};

const checkSurvivors = async (
  rules: RuleContext,
  log: RoundLog,
  round: {
    readonly context: Uint8Array;
    readonly authors: readonly Uint8Array[];
    readonly quorum: number;
  },
  check: Check,
) => {
  const survivors = log.one('survivors');
  const { members, hash, rejected } = survivors.body;
  check(survivors, equalBytes(survivors.body.context, round.context), 'bound to another context');
  const uploads = byAuthor(log.all('upload'), members).map((upload, i) => {
    check(survivors, upload !== undefined, `survivor ${i} has not uploaded`);
    return upload as SignedRecord<'upload'>;
  });
  for (const upload of log.all('upload')) {
    check(upload, equalBytes(upload.body.context, round.context), 'bound to another context');
    check(
      upload,
      round.authors.some((author) => equalBytes(author, upload.author)),
      'not among those whose shares arrived',
    );
    const counted =
      uploads.includes(upload) || rejected.some(({ member }) => equalBytes(member, upload.author));
    check(survivors, counted, 'leaves out an upload without saying why');
  }
  const least = Math.max(rules.spec.cohort.minimum, round.quorum);
  check(survivors, members.length >= least, `${members.length} survivors are fewer than ${least}`);
  check(
    survivors,
    sameList(
      survivors.body.uploads,
      uploads.map((upload) => upload.hash),
    ),
    'names other uploads',
  );
  check(
    survivors,
    equalBytes(hash, survivorsHash(round.context, members, survivors.body.uploads)),
    'the hash is not that of the set',
  );
  if (rules.ledger !== undefined) {
    const frozen = await rules.ledger.readSurvivors(rules.run, log.round);
    check(
      survivors,
      frozen !== undefined && equalBytes(frozen.hash, hash),
      'the ledger holds another survivor set',
    );
    const commitment = dataCommitment(survivors.body.uploads);
    check(
      survivors,
      frozen !== undefined && equalBytes(frozen.dataCommitment, commitment),
      'the ledger holds another data commitment',
    );
  }
  const isSurvivor = (record: SignedRecord): boolean =>
    members.some((member) => equalBytes(member, record.author));
  for (const type of ['consistent', 'unmask'] as const) {
    const answers = log.all(type);
    for (const answer of answers) {
      check(answer, isSurvivor(answer), 'not a survivor');
      check(answer, equalBytes(answer.body.survivors, hash), 'answers for another survivor set');
    }
    check(
      survivors,
      answers.length >= round.quorum,
      `${answers.length} ${type} records are fewer than the threshold ${round.quorum}`,
    );
  }
  return { survivors, uploads };
};

/**
 * Checks one round that ended with a commit.
 *
 * @param model the model the round must start from: that of the last commit; `undefined` for the first round
 * @throws Culprit
 */
export const checkRound = async (
  rules: RuleContext,
  log: RoundLog,
  model: SignedRecord<'open'>['body']['model'] | undefined,
): Promise<CheckedRound> => {
  const check: Check = (record, condition, reason) => {
    if (!condition) throw new Culprit(record, log.indexOf(record), reason);
  };
  checkAuthors(rules, log, check);
  const open = log.one('open');
  check(open, equalBytes(open.body.config, rules.run), 'another configuration');
  if (model === undefined)
    check(
      open,
      open.body.model.version === 0 && mayBeginWith(rules.spec, open.body.model.hash),
      'starts from another model than the run says',
    );
  else
    check(
      open,
      sameModel(open.body.model, model),
      'does not start from the model of the last commit',
    );
  const frozen = log.one('cohort');
  const { cohort, registers, context, quorum } = await blaming(
    frozen,
    log.indexOf(frozen),
    'the cohort',
    () => checkCohort(rules, log, open, check),
  );
  const { authors, shares } = checkSharers(rules, log, cohort, context, check);
  const { survivors, uploads } = await checkSurvivors(
    rules,
    log,
    { context, authors, quorum },
    check,
  );
  const commit = log.one('commit');
  for (const { record, keys, what } of [
    { record: open, keys: open.body.invited, what: 'invited' },
    { record: cohort, keys: cohort.body.members, what: 'cohort' },
    { record: survivors, keys: survivors.body.members, what: 'survivors' },
  ]) {
    const fault = selectionFault(rules.spec, keys, what);
    check(record, fault === undefined, fault?.message ?? what);
  }
  for (const upload of uploads)
    await checkUpload(
      rules,
      log,
      upload,
      lastingRef(commit, survivors, upload),
      cohort.body.members.length,
      check,
    );
  check(
    commit,
    equalBytes(commit.body.survivors, survivors.body.hash),
    'commits to another survivor set',
  );
  check(
    commit,
    equalBytes(commit.body.step.before, open.body.model.hash),
    'the step starts from another model',
  );
  check(
    commit,
    equalBytes(commit.body.step.after, commit.body.model.hash),
    'the step ends in another model',
  );
  check(commit, commit.body.model.version === log.round, 'another model version');
  check(
    commit,
    commit.body.step.learningRate === rules.spec.optimiser.learningRate,
    'another learning rate',
  );
  await readBlob(rules, log, commit, commit.body.model.blob, 'the model');
  await readBlob(rules, log, commit, commit.body.bundle.blob, 'the unmasking bundle');
  return { open, cohort, registers, context, shares, survivors, uploads, commit };
};
