/**
 * @module The Ledger port: what must be said once and never changed. A cohort and a survivor set
 * are frozen, model versions are registered. Locally the coordinator's journal keeps it; on Sui a
 * Move package does.
 */
import type { BlobRef } from './blob-store.ts';

export interface CohortFreeze {
  readonly run: Uint8Array;
  readonly attempt: number;
  /** Merkle root over the sorted member keys. */
  readonly root: Uint8Array;
  /** Ed25519 keys, sorted; on a chain their addresses are who the attempt's policies admit. */
  readonly members: readonly Uint8Array[];
  /** What the local beacon is made from: R of the beacon chain. */
  readonly entropy: Uint8Array;
}

export interface SurvivorFreeze {
  readonly run: Uint8Array;
  readonly attempt: number;
  /** Hash of the survivor set, see `survivorsHash`. */
  readonly hash: Uint8Array;
  /** A subset of the cohort, in its order. */
  readonly members: readonly Uint8Array[];
  /** What the model of the attempt is made of, see `dataCommitment`. */
  readonly dataCommitment: Uint8Array;
}

/**
 * The survivors of one attempt, and the cohort that they are of: Ed25519 keys, in the order of the
 * freeze.
 */
export interface FrozenSet {
  readonly attempt: number;
  readonly cohort: readonly Uint8Array[];
  readonly members: readonly Uint8Array[];
}

export interface ModelVersion {
  readonly run: Uint8Array;
  /** The attempt whose result this is; 0 is the initial model. */
  readonly attempt: number;
  readonly modelHash: Uint8Array;
  /** Of the state of the run's strategy; absent where it has none. */
  readonly stateHash?: Uint8Array | undefined;
  /** The encrypted model. */
  readonly blob: BlobRef;
  readonly transcriptRoot: Uint8Array;
}

/** What else a ledger may say of a version, for people; nothing is verified against it. */
export interface ModelFacts {
  /**
   * The version it was made from: by its attempt, where it is of the same run, or by its object id.
   */
  readonly parent?: number | string;
  /** Sum of the capped example counts; 0 unless told. */
  readonly examples?: number;
  /** What differential privacy guarantees each participant so far; absent without. */
  readonly privacy?:
    | {
        readonly mechanism: 'skellam' | 'central' | 'ftrl';
        readonly epsilon: number;
        readonly delta: number;
      }
    | undefined;
  /** As they are reported: means and sums by name; a ledger may round them to 10^-6. */
  readonly metrics?: readonly { readonly name: string; readonly value: number }[];
}

/**
 * What the receipts of the coordinator's own journal begin with; those of other ledgers begin with
 * their kind.
 */
export const JOURNAL_RECEIPT = 'journal:';

export interface Ledger {
  /** `journal`, `sui`...: named in the first lines of output. */
  readonly kind: string;
  /**
   * Where the beacon is from: `members` when it is {@link localBeacon}, which anyone can compute
   * again from the records; `ledger` when the ledger draws it at the freeze and holds the entropy
   * in it, so that only the ledger can tell.
   */
  readonly beacon: 'members' | 'ledger';
  /**
   * Freezes a cohort and returns the beacon of the attempt, 32 bytes. Repeating the same call
   * returns the same beacon.
   * @throws FloeError `already_frozen` when another value stands, `ledger_unavailable`
   */
  freezeCohort(
    freeze: CohortFreeze,
  ): Promise<{ readonly beacon: Uint8Array; readonly receipt: string }>;
  /** @throws FloeError `already_frozen` when another value stands, `ledger_unavailable` */
  freezeSurvivors(freeze: SurvivorFreeze): Promise<{ readonly receipt: string }>;
  /** @throws FloeError `already_frozen` when another value stands, `ledger_unavailable` */
  registerModel(version: ModelVersion, facts?: ModelFacts): Promise<{ readonly receipt: string }>;
  /** What stands, for verifiers; `undefined` when nothing was frozen. */
  readCohort(
    run: Uint8Array,
    attempt: number,
  ): Promise<{ readonly root: Uint8Array; readonly beacon: Uint8Array } | undefined>;
  /**
   * What its clock shows, ms since the epoch, where it has one. @throws FloeError
   * `ledger_unavailable`
   */
  time?(): Promise<number>;
  readSurvivors(
    run: Uint8Array,
    attempt: number,
  ): Promise<{ readonly hash: Uint8Array; readonly dataCommitment: Uint8Array } | undefined>;
  readModel(run: Uint8Array, attempt: number): Promise<ModelVersion | undefined>;
  /**
   * Every survivor set that was ever frozen on the model of `version` (0 is the initial model),
   * also of attempts that were aborted after the freeze; ascending by attempt. A later version of
   * the very same parameters is the same model. An attempt is on the newest model that was
   * registered when its cohort was frozen: a caller that has been shown an attempt on this model
   * refuses when the attempt is not in the list, for then the ledger holds it on another one.
   * @param modelHash of the parameters, as the caller was shown them
   * @throws FloeError `ledger_unavailable` when the version is not registered, `context_mismatch`
   * when it is with another hash: under a second name a model would have a second list
   */
  readFamily(
    run: Uint8Array,
    version: number,
    modelHash: Uint8Array,
  ): Promise<readonly FrozenSet[]>;
}
