/**
 * @module The types of `createCoordinator`: its options and its interface.
 */
import type { AnomalyStatus, AnomalyWatch, CommitNote } from './anomalies/watch.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobRef, BlobStore } from '../protocol/ports/blob-store.ts';
import type { BlobRemoval, UploadStaging } from '../protocol/ports/upload-staging.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Treasury } from './funds.ts';
import type { Journal } from './journal/port.ts';
import type { Limits } from './limits.ts';
import type { Logger } from './log.ts';
import type { Hex, Machine, PhaseType, Progress } from './machine/index.ts';
import type { Metrics } from './metrics.ts';
import type { Presence } from './presence-notes.ts';
import type { Received } from './received-blobs.ts';
import type { UpkeepEvent } from './upkeep.ts';

export interface CoordinatorInit {
  readonly spec: RunSpec;
  /** Must be the identity that the specification names. */
  readonly identity: Identity;
  /**
   * 32 bytes: the keys of models and bundles derive from it. Secret, no signing key, and the same
   * again after a restart.
   */
  readonly sealingSecret: Uint8Array;
  readonly store: BlobStore;
  /**
   * Where uploads wait before they are stored together; without it they stay where they were put.
   */
  readonly staging?: UploadStaging | undefined;
  /** Removes uploads that no committed round needs; without it they are kept. */
  readonly removal?: BlobRemoval | undefined;
  readonly gate: AccessGate;
  readonly ledger: Ledger;
  /**
   * How rounds are run; one after the other by default. The journal belongs to the machine that
   * wrote it.
   */
  readonly machine?: Machine;
  /** Owned by the caller, and closed by it after {@link Coordinator.stop}. */
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: RandomSource;
  /**
   * The parent's flat parameters, of a run that names one; needed once, when the journal is empty.
   * Every other run begins with the model that its seed gives, and with no other.
   */
  readonly initialModel?: Float32Array;
  /** The state of the strategy that goes with it, where the specification's parent names one. */
  readonly initialState?: Float32Array | undefined;
  /** The first round waits for this many participants; default: the size of the cohort. */
  readonly startWith?: number;
  /** Compares the steps of the rounds; by default one that begins anew with the process. */
  readonly anomalies?: AnomalyWatch;
  /**
   * Ms after a restart in which those of before may come back before others take their places, at
   * most an hour; default: 30 s, or the grace time where that is longer. A simulation, whose clock
   * stands still while they log in, has 0.
   */
  readonly reconnectMs?: number | undefined;
  /**
   * After two sums that cannot be right, members of a set that was answered are tried in smaller
   * groups: they answer for those where the ledger is public (the default there) or where all have
   * consented. See rules/one-set.ts.
   */
  readonly regroups?: boolean;
  readonly limits?: Partial<Limits>;
  readonly log: Logger;
  readonly onEvent?: (progress: Progress) => void;
  /** Who logs in, leaves or is refused; limited in rate. */
  readonly onPresence?: (presence: Presence) => void;
  /**
   * Pays for the run, on a network. The coordinator checks the balance and warns when it runs low.
   */
  readonly treasury?: Treasury | undefined;
  readonly onUpkeep?: (event: UpkeepEvent) => void;
}

export interface Outcome {
  /** Rounds committed: all of them. A run that ended before rejects with its failure. */
  readonly rounds: number;
  /** Attempts it took. */
  readonly attempts: number;
  readonly model: ModelRef;
}

export interface Status {
  /** False once it was stopped or has failed. */
  readonly running: boolean;
  readonly phase: PhaseType;
  /** Why no attempt can be opened, and what would resume the run. */
  readonly waitingFor: string | undefined;
  /** Why the run has ended before its last round. */
  readonly failure: ErrorCode | undefined;
  /**
   * The attempt before, where it was aborted; what participants reported, as
   * `6 x gate_unavailable, ...`.
   */
  readonly lastAbort:
    | { readonly attempt: number; readonly code: string; readonly reported: string | undefined }
    | undefined;
  /** The current or last attempt. */
  readonly attempt: number;
  readonly committed: number;
  readonly rounds: number;
  /** Failed attempts since the last commit. */
  readonly failures: number;
  readonly loggedIn: number;
  readonly connections: number;
  /** After the end: participants that may still come back to hear of it. */
  readonly untold: number;
  readonly modelHash: Uint8Array | undefined;
  /** Members of the attempt in progress, and how many of them have uploaded. */
  readonly members: number | undefined;
  readonly uploads: number | undefined;
  /** The newest commits that this process knows of, the newest last. */
  readonly commits: readonly CommitNote[];
  /** Of the commits since this process began, and of some before. */
  readonly anomalies: Omit<AnomalyStatus, 'recent'>;
}

/**
 * The accepted records, hash-chained, in the form that `decodeTranscript` reads. The stored bytes
 * are returned without decoding.
 */
export interface TranscriptSource {
  /** Bytes of the whole, which grows by whole entries and never changes. */
  readonly size: number;
  /** Bytes [start, end) in pieces; what lies beyond the end is left out. */
  read(start?: number, end?: number): AsyncIterable<Uint8Array>;
  /**
   * Byte offset of the first entry of this attempt or a later one; undefined without such an entry.
   */
  startOf(attempt: number): Promise<number | undefined>;
  /** All of it, in memory. */
  whole(): Promise<Uint8Array>;
}

export interface Coordinator {
  /** Takes over a connection. */
  accept(connection: Connection): void;
  /**
   * Restores the run from the journal and continues with it, or starts it.
   * @throws FloeError `journal_corrupt`, `spec_mismatch`, `spec_invalid`, what store, gate and
   * ledger throw
   */
  start(): Promise<void>;
  /**
   * Resolves once no event waits to be written and no work is in progress: what comes next needs a
   * frame or a timer. For callers that hold the clock.
   */
  idle(): Promise<void>;
  /** Resolves once no event waits to be written, whatever work is in progress. */
  drained(): Promise<void>;
  /** Closes the sessions and stops all work. Acknowledged events are in the journal. */
  stop(): Promise<void>;
  /**
   * Resolves after the last round; rejects when the run cannot continue (`aborted` when it was
   * stopped before).
   */
  readonly finished: Promise<Outcome>;
  status(): Status;
  readonly spec: RunSpec;
  readonly specBytes: Uint8Array;
  readonly run: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly limits: Limits;
  /** Bytes of the largest upload that an attempt of this run can ask for. */
  readonly uploadLimit: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly transcript: TranscriptSource;
  /** A blob that a record of the transcript names. */
  blobRef(id: string): Promise<BlobRef | undefined>;
  /**
   * Whether this identity is in the cohort of the present attempt: only then has it something to
   * upload.
   */
  isMember(key: Hex): boolean;
  /** Participants that are logged in, by the address that their connections are counted under. */
  loggedInByAddress(): ReadonlyMap<string, number>;
  /** Blobs whose hash was checked when they came. */
  readonly received: Received;
}
