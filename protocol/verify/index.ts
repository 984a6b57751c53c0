/**
 * @module Verification of a run from its transcript and its blobs (secure-aggregation, section 6).
 * Level 0 needs no key: signatures, chain, cohorts, survivor sets, ledger, blobs. Level 1, for
 * each admitted reader, recomputes every sum and every model bit for bit. It reports the
 * first fault with its attempt, its record and the responsible party.
 */
import { stateTensorsOf } from '../algorithm/round.ts';
import type { AccessGate } from '../ports/access-gate.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { addressOf, cryptoReady } from '../ports/identity.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SignedRecord } from '../records/records.ts';
import { EMPTY_HISTORY } from '../rules/history.ts';
import { hashRunSpec, type RunSpec } from '../spec/run-spec.ts';
import { decodeTranscript, attemptRoot, type Transcript } from '../records/transcript.ts';
import { blaming, Culprit, MissingBlob } from './culprit.ts';
import { openVersion, recomputeRound } from './recompute.ts';
import type { ModelContent } from '../model/open-model.ts';
import { verifiedPrivacy, type VerifiedPrivacy } from '../algorithm/privacy.ts';
import { strategyOf } from '../algorithm/registry.ts';
import { splitAttempts, type AttemptLog } from './attempt-log.ts';
import {
  beaconFrom,
  checkRecords,
  checkAttempt,
  provenCulprits,
  readBlob,
  type CheckedAttempt,
  type RuleContext,
} from './check-attempt.ts';

export { openModel, openVersion } from './recompute.ts';

export interface VerifyInit {
  readonly spec: RunSpec;
  /** The transcript as the coordinator serves it. */
  readonly transcript: Uint8Array;
  readonly store: BlobStore;
  /** With it, and if it admits its identity, the run is verified to level 1. */
  readonly gate?: AccessGate;
  /**
   * With it, what was frozen is compared with the ledger; beacons that a ledger draws are not
   * checked without it.
   */
  readonly ledger?: Ledger;
  /**
   * The attempt up to and with which the run was published: its coordinator says that all blobs up
   * to there can be read.
   */
  readonly published?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface VerifiedAttempt {
  readonly attempt: number;
  /**
   * `pending`: signed by the coordinator, whose run continues; blobs or ledger do not have all of
   * it yet.
   */
  readonly outcome: 'committed' | 'pending' | 'aborted' | 'open';
  /** How far the attempt was checked. */
  readonly level: 'L0' | 'L1';
  readonly survivors: number;
  /** Merkle root over the attempt's transcript entries, hex. */
  readonly root: string;
  /** Addresses of members that an aborted attempt proves to have broken the protocol. */
  readonly culprits?: readonly string[];
  /**
   * Blobs of this committed round are gone, as the specification's retention allows: its records
   * were checked, its sum and model cannot be recomputed.
   */
  readonly removed?: true;
}

export interface Verification {
  readonly ok: boolean;
  /** The lowest level any committed round was checked to. */
  readonly level: 'L0' | 'L1';
  readonly attempts: readonly VerifiedAttempt[];
  /** Hash of the last model, hex. */
  readonly modelHash: string | undefined;
  /** Last link of the transcript, hex. */
  readonly transcriptHead: string;
  /**
   * Attempts whose beacon was not checked: their receipts name a ledger that was not given.
   * Ascending.
   */
  readonly beaconUnchecked: readonly number[];
  /** What differential privacy claims, and what is spent; absent without. */
  readonly privacy?: VerifiedPrivacy;
  readonly culprit?: {
    readonly attempt: number;
    readonly record: string;
    /** Index in the transcript; -1 where there is no entry. */
    readonly entry: number;
    /** Address of whoever signed the record. */
    readonly author: string | undefined;
    readonly reason: string;
  };
}

const NOTHING = new Uint8Array();

interface Progress {
  readonly attempts: VerifiedAttempt[];
  /** The last commit, also one that is still pending: the next round starts from its model. */
  commit: SignedRecord<'commit'> | undefined;
  /** Hash of the last model that was verified. */
  modelHash: Uint8Array | undefined;
  content: ModelContent | undefined;
}

/** Opens the model an attempt starts from, where it is not known from the attempt before. */
const firstContent = async (
  rules: RuleContext,
  log: AttemptLog,
  gate: AccessGate,
): Promise<ModelContent> => {
  const open = log.one('open');
  const cipher = await readBlob(rules, log, open, open.body.model.blob, 'the model');
  return blaming(open, log.indexOf(open), 'the model', () =>
    openVersion(
      { run: rules.run, model: open.body.model, cipher, stateTensors: stateTensorsOf(rules.spec) },
      rules.spec.model,
      gate,
    ),
  );
};

/**
 * Level 1 of one attempt; `undefined` where the gate does not admit the identity, whom nobody has
 * promised anything.
 */
const recompute = async (
  rules: RuleContext,
  log: AttemptLog,
  checked: CheckedAttempt,
  known: ModelContent | undefined,
  gate: AccessGate | undefined,
): Promise<ModelContent | undefined> => {
  if (gate === undefined) return undefined;
  try {
    const before = known ?? (await firstContent(rules, log, gate));
    return await recomputeRound(rules, log, checked, before, gate);
  } catch (cause) {
    if (!(cause instanceof FloeError) || cause.code !== 'access_denied') throw cause;
    const { coordinator, auditors } = rules.spec;
    if (![coordinator, ...auditors].some((key) => equalBytes(key, gate.reader))) return undefined;
    const commit = log.one('commit');
    throw new Culprit(
      commit,
      log.indexOf(commit),
      `what it names does not open for ${addressOf(gate.reader)}, who must be able to read it: ${cause.message} (access_denied)`,
    );
  }
};

/**
 * The first committed round whose blobs the run keeps; those of earlier ones may be gone. 0 where
 * all are kept.
 */
const firstKept = ({ retention }: RunSpec, commits: readonly AttemptLog[]): number =>
  retention === undefined ? 0 : (commits.at(-retention.rounds)?.attempt ?? 0);

const pending = ({ attempt }: AttemptLog, root: string): VerifiedAttempt => ({
  attempt,
  outcome: 'pending',
  level: 'L0',
  survivors: 0,
  root,
});

/**
 * @param underWay what of the last commit of a run that is not over its coordinator may still be
 * carrying to where it lasts
 */
const verifyAttempt = async (
  rules: RuleContext,
  log: AttemptLog,
  progress: Progress,
  gate: AccessGate | undefined,
  underWay: { readonly blobs: boolean; readonly version: boolean },
  mayBeRemoved: boolean,
): Promise<VerifiedAttempt> => {
  const root = toHex(attemptRoot(log.entries, log.attempt));
  const abort = log.maybe('abort');
  const committed = progress.attempts.filter(
    ({ outcome }) => outcome === 'committed' || outcome === 'pending',
  ).length;
  if (abort !== undefined || log.maybe('commit') === undefined) {
    const view = await checkRecords(rules, log, progress.commit, committed);
    const culprits = await provenCulprits(log, view);
    return {
      attempt: log.attempt,
      outcome: abort === undefined ? 'open' : 'aborted',
      level: 'L0',
      survivors: 0,
      root,
      ...(culprits.length === 0 ? {} : { culprits }),
    };
  }
  let checked: CheckedAttempt | undefined;
  try {
    checked = await checkAttempt(rules, log, progress.commit, committed);
  } catch (thrown) {
    if (!(thrown instanceof MissingBlob) || !(underWay.blobs || mayBeRemoved)) throw thrown;
    progress.commit = log.one('commit');
    if (!mayBeRemoved) return pending(log, root);
  }
  const commit = log.one('commit');
  progress.commit = commit;
  if (rules.ledger !== undefined) {
    const version = await rules.ledger.readModel(rules.run, log.attempt);
    if (version === undefined && underWay.version) return pending(log, root);
    const matches =
      version !== undefined &&
      equalBytes(version.modelHash, commit.body.model.hash) &&
      equalBytes(version.stateHash ?? NOTHING, commit.body.model.state ?? NOTHING) &&
      toHex(version.transcriptRoot) === root;
    if (!matches)
      throw new Culprit(
        commit,
        log.indexOf(commit),
        'the ledger holds another model, state or transcript root',
      );
  }
  try {
    progress.content = checked && (await recompute(rules, log, checked, progress.content, gate));
  } catch (thrown) {
    // The model that it starts from is that of an older attempt still.
    if (!(thrown instanceof MissingBlob) || !mayBeRemoved) throw thrown;
    checked = undefined;
    progress.content = undefined;
  }
  const level = progress.content === undefined ? 'L0' : 'L1';
  progress.modelHash = commit.body.model.hash;
  return {
    attempt: log.attempt,
    outcome: 'committed',
    level,
    survivors: log.one('survivors').body.members.length,
    root,
    ...(checked === undefined ? { removed: true } : {}),
  };
};

const lowestLevel = (attempts: readonly VerifiedAttempt[]): 'L0' | 'L1' => {
  const committed = attempts.filter(({ outcome }) => outcome === 'committed');
  return committed.length > 0 && committed.every(({ level }) => level === 'L1') ? 'L1' : 'L0';
};

const culpritOf = (thrown: unknown): NonNullable<Verification['culprit']> => {
  if (thrown instanceof Culprit) {
    const { attempt, record, entry, author, message } = thrown;
    return { attempt, record, entry, author, reason: message };
  }
  if (thrown instanceof FloeError && thrown.code === 'transcript_broken') {
    const { entry, attempt, record } = thrown.details;
    return {
      attempt: typeof attempt === 'number' ? attempt : 0,
      record: typeof record === 'string' ? record : 'transcript',
      entry: typeof entry === 'number' ? entry : -1,
      author: undefined,
      reason: thrown.message,
    };
  }
  throw thrown;
};

/**
 * Verifies a run. A run that does not hold is a result (`ok: false` and the culprit), not an
 * exception.
 *
 * @throws FloeError `store_unavailable`, `ledger_unavailable`, `strategy_unknown`, `aborted`:
 * verification could not be carried out
 */
export const verifyRun = async (init: VerifyInit): Promise<Verification> => {
  await cryptoReady;
  const { spec, store, ledger, published, signal, onProgress } = init;
  const run = hashRunSpec(spec);
  // A verifier without the code of the strategy cannot recompute and accuses nobody.
  strategyOf(spec);
  const rules: RuleContext = {
    spec,
    run,
    store,
    ledger,
    signal,
    registered: new Map(),
    history: EMPTY_HISTORY,
  };
  const progress: Progress = {
    attempts: [],
    commit: undefined,
    modelHash: undefined,
    content: undefined,
  };
  let transcript: Transcript | undefined;
  let beaconUnchecked: readonly number[] = [];
  const report = (culprit?: Verification['culprit']): Verification => {
    const privacy = verifiedPrivacy(spec, rules.history.released);
    return {
      ok: culprit === undefined,
      level: lowestLevel(progress.attempts),
      attempts: progress.attempts,
      modelHash: progress.modelHash && toHex(progress.modelHash),
      transcriptHead: transcript === undefined ? '' : toHex(transcript.head),
      beaconUnchecked,
      ...(privacy === undefined ? {} : { privacy }),
      ...(culprit === undefined ? {} : { culprit }),
    };
  };
  try {
    transcript = decodeTranscript(rules.run, init.transcript);
    const logs = splitAttempts(transcript.entries);
    if (ledger === undefined)
      beaconUnchecked = logs
        .filter((log) => beaconFrom(rules, log) === 'ledger')
        .map(({ attempt }) => attempt);
    const commits = logs.filter((log) => log.maybe('commit') !== undefined);
    const last = commits.at(-1);
    if (published !== undefined && last?.attempt !== published)
      return report({
        attempt: published,
        record: 'commit',
        entry: -1,
        author: undefined,
        reason: `published up to this attempt, the transcript ends with ${last === undefined ? 'none' : `attempt ${last.attempt}`}`,
      });
    const newest = commits.length < spec.rounds ? last : undefined;
    const kept = firstKept(spec, commits);
    for (const [i, log] of logs.entries()) {
      signal?.throwIfAborted();
      progress.attempts.push(
        await verifyAttempt(
          rules,
          log,
          progress,
          init.gate,
          { blobs: log === newest && published === undefined, version: log === newest },
          log.attempt < kept,
        ),
      );
      onProgress?.(i + 1, logs.length);
    }
    return report();
  } catch (thrown) {
    return report(culpritOf(thrown));
  }
};
