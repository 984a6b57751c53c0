/**
 * @module Level 0 of verification: what anyone can check of an attempt without a key. Signatures
 * and links were checked when the transcript was read; here every record meets the rules of the
 * attempt (`protocol/rules`), the ledger is asked, and every blob that a record names is read.
 */
import { chunkRoot } from '../encoding/leaves.ts';
import { layoutOf } from '../algorithm/round.ts';
import type { BlobRef, BlobStore } from '../ports/blob-store.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { addressOf } from '../ports/identity.ts';
import { JOURNAL_RECEIPT, type Ledger } from '../ports/ledger.ts';
import type { SignedRecord } from '../records/records.ts';
import {
  contextOf,
  emptyView,
  registeredBy,
  violation,
  withRecord,
  type LedgerFacts,
  type Registered,
  type AttemptView,
} from '../rules/index.ts';
import { afterAttempt } from '../rules/history.ts';
import type { RunHistory } from '../rules/run-history.ts';
import { provenBy } from '../rules/abort-proof.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { Culprit, MissingBlob } from './culprit.ts';
import { lastingRef } from './lasting-ref.ts';
import type { AttemptLog } from './attempt-log.ts';

export interface RuleContext {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: Ledger | undefined;
  readonly signal: AbortSignal | undefined;
  /** The last registration of each author (hex) so far. */
  readonly registered: Map<string, Registered>;
  /** The attempts so far. */
  history: RunHistory;
}

/** What level 1 continues with. */
export interface CheckedAttempt {
  readonly spec: RunSpec;
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

/**
 * Reads a blob that a record names; the record is the culprit when the blob is not there or not
 * what was signed.
 *
 * @throws Culprit; FloeError `store_unavailable`, `aborted`, which are nobody's lie
 */
export const readBlob = async (
  { store, signal }: RuleContext,
  log: AttemptLog,
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

/** What the ledger holds of an attempt; only records that stand are asked for. */
const ledgerFacts = async ({ ledger, run }: RuleContext, log: AttemptLog): Promise<LedgerFacts> => {
  if (ledger === undefined) return {};
  const { attempt } = log;
  return {
    ...(log.maybe('cohort') && { cohort: (await ledger.readCohort(run, attempt)) ?? null }),
    ...(log.maybe('survivors') && {
      survivors: (await ledger.readSurvivors(run, attempt)) ?? null,
    }),
  };
};

/**
 * Where the beacon of an attempt is from; without the ledger, as the receipt of the freeze says
 * that the coordinator signed.
 */
export const beaconFrom = (
  { ledger }: Pick<RuleContext, 'ledger'>,
  log: AttemptLog,
): AttemptView['beacon'] => {
  if (ledger !== undefined) return ledger.beacon;
  const receipt = log.maybe('cohort')?.body.receipt ?? JOURNAL_RECEIPT;
  return receipt.startsWith(JOURNAL_RECEIPT) ? 'members' : 'ledger';
};

/**
 * Checks the records of one attempt against the rules, however it ended.
 *
 * @param previous the last commit before it
 * @param committed how many there are before it
 * @throws Culprit the first record that breaks a rule
 */
export const checkRecords = async (
  rules: RuleContext,
  log: AttemptLog,
  previous: SignedRecord<'commit'> | undefined,
  committed = 0,
): Promise<AttemptView> => {
  const { spec, run } = rules;
  let view = emptyView({
    spec,
    run,
    attempt: log.attempt,
    complete: true,
    previous,
    committed,
    lastSurvivors: rules.history.lastSurvivors,
    history: rules.history,
    lastRegisterOf: (author) => rules.registered.get(author),
    beacon: beaconFrom(rules, log),
    ledger: await ledgerFacts(rules, log),
  });
  for (const { record, index } of log.entries) {
    const broken = violation(view, record);
    if (broken !== undefined)
      throw new Culprit(record, index, `${broken.message} (${broken.rule})`);
    view = withRecord(view, record);
  }
  for (const [author, register] of view.registers)
    rules.registered.set(author, registeredBy(register));
  if (view.commit !== undefined || view.abort !== undefined)
    rules.history = afterAttempt(rules.history, view);
  return view;
};

/**
 * Addresses of the members whom the Abort of the attempt proves to have lied, judged again; none
 * without one.
 * @param view from {@link checkRecords}
 * @throws Culprit the Abort whose proof does not hold
 */
export const provenCulprits = async (
  log: AttemptLog,
  view: AttemptView,
): Promise<readonly string[]> => {
  const { abort } = view;
  if (abort === undefined) return [];
  try {
    return (await provenBy(view, abort)).map(addressOf);
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    throw new Culprit(abort, log.indexOf(abort), `${thrown.message} (${thrown.code})`);
  }
};

const byAuthors = <Row>(
  authors: readonly Uint8Array[],
  records: ReadonlyMap<string, Row>,
): readonly Row[] => authors.flatMap((author) => records.get(toHex(author)) ?? []);

/**
 * Checks one attempt that ended with a commit: records, then every blob that they name.
 *
 * @throws Culprit
 */
export const checkAttempt = async (
  rules: RuleContext,
  log: AttemptLog,
  previous: SignedRecord<'commit'> | undefined,
  committed = 0,
): Promise<CheckedAttempt> => {
  const view = await checkRecords(rules, log, previous, committed);
  const [open, cohort] = [log.one('open'), log.one('cohort')];
  const [survivors, commit] = [log.one('survivors'), log.one('commit')];
  const uploads = byAuthors(survivors.body.members, view.uploads);
  const layout = layoutOf(rules.spec, cohort.body.members.length, open.body.meanExamples);
  for (const upload of uploads) {
    const ref = lastingRef(commit, survivors, upload);
    const bytes = await readBlob(rules, log, upload, ref, 'the upload');
    if (!equalBytes(upload.body.chunkRoot, chunkRoot(layout, bytes)))
      throw new Culprit(upload, log.indexOf(upload), 'the chunk root is not that of the blob');
  }
  await readBlob(rules, log, commit, commit.body.model.blob, 'the model');
  await readBlob(rules, log, commit, commit.body.bundle.blob, 'the unmasking bundle');
  return {
    spec: rules.spec,
    open,
    cohort,
    registers: byAuthors(cohort.body.members, view.registers),
    context: contextOf({ ...view, open, cohort }),
    shares: byAuthors(view.sharers?.body.members ?? [], view.shares),
    survivors,
    uploads,
    commit,
  };
};
