/**
 * @module The Ledger port: what must be said once and never changed. A cohort and a survivor set are frozen, model versions
 * are registered. Locally the coordinator's journal keeps it; on Sui a Move package does.
 */
import type { BlobRef } from '../blobs/blob-store.ts';

export interface CohortFreeze {
  readonly run: Uint8Array;
  readonly round: number;
  /** Merkle root over the sorted member keys. */
  readonly root: Uint8Array;
  /** Ed25519 keys, sorted; on a chain their addresses are who the round's policies admit. */
  readonly members: readonly Uint8Array[];
  /** What the local beacon is made from: a hash over the members' nonces. */
  readonly entropy: Uint8Array;
}

export interface SurvivorFreeze {
  readonly run: Uint8Array;
  readonly round: number;
  /** Hash of the survivor set, see `survivorsHash`. */
  readonly hash: Uint8Array;
  /** A subset of the cohort, sorted. */
  readonly members: readonly Uint8Array[];
  /** What the model of the round is made of, see `dataCommitment`. */
  readonly dataCommitment: Uint8Array;
}

/** A frozen survivor set and the cohort it is of: Sui addresses, sorted. */
export interface FrozenSet {
  readonly round: number;
  readonly cohort: readonly string[];
  readonly survivors: readonly string[];
}

export interface ModelVersion {
  readonly run: Uint8Array;
  /** The round whose result this is; 0 is the initial model. */
  readonly round: number;
  readonly modelHash: Uint8Array;
  /** The encrypted model. */
  readonly blob: BlobRef;
  readonly transcriptRoot: Uint8Array;
}

/** What else a ledger may say of a version, for people; nothing is verified against it. */
export interface ModelFacts {
  /** The version it was made from: by its round, where it is of the same run, or by its object id. */
  readonly parent?: number | string;
  /** Sum of the losses and of the right answers over `examples` training examples. */
  readonly metrics?: {
    readonly lossSum: number;
    readonly correct: number;
    readonly examples: number;
  };
}

export interface Ledger {
  /** `journal`, `sui`...: named in the first lines of output. */
  readonly kind: string;
  /**
   * Where the beacon is from: `members` when it is {@link localBeacon}, which anyone can compute again from the members'
   * nonces; `ledger` when only the ledger can tell.
   */
  readonly beacon: 'members' | 'ledger';
  /**
   * Freezes a cohort and returns the beacon of the round, 32 bytes. Repeating the same call returns the same beacon.
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
    round: number,
  ): Promise<{ readonly root: Uint8Array; readonly beacon: Uint8Array } | undefined>;
  readSurvivors(
    run: Uint8Array,
    round: number,
  ): Promise<{ readonly hash: Uint8Array; readonly dataCommitment: Uint8Array } | undefined>;
  readModel(run: Uint8Array, round: number): Promise<ModelVersion | undefined>;
  /**
   * Every survivor set that was frozen in a round after `after`, in the order of the rounds, with its members: what policy
   * `ledger` of the one-set rule decides by. Members are named by their Sui addresses, sorted.
   * @throws FloeError `ledger_unavailable`
   */
  readFrozen(run: Uint8Array, after: number): Promise<readonly FrozenSet[]>;
}
