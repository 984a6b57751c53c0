/**
 * @module The Ledger port: what must be said once and never changed. A cohort and a survivor set are frozen, model versions
 * are registered. Locally the coordinator's journal keeps it; on Sui a Move package does.
 */

export interface CohortFreeze {
  readonly run: Uint8Array;
  readonly round: number;
  /** Merkle root over the sorted member keys. */
  readonly root: Uint8Array;
  readonly size: number;
  /** What the local beacon is made from: a hash over the members' nonces. A chain ignores it and uses its own randomness. */
  readonly entropy: Uint8Array;
}

export interface SurvivorFreeze {
  readonly run: Uint8Array;
  readonly round: number;
  /** Hash of the survivor set, see `survivorsHash`. */
  readonly hash: Uint8Array;
  readonly size: number;
}

export interface ModelVersion {
  readonly run: Uint8Array;
  /** The round whose result this is; 0 is the initial model. */
  readonly round: number;
  readonly modelHash: Uint8Array;
  readonly blob: string;
  readonly transcriptRoot: Uint8Array;
}

export interface Ledger {
  /** `journal`, `sui`...: named in the first lines of output. */
  readonly kind: string;
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
  registerModel(version: ModelVersion): Promise<{ readonly receipt: string }>;
  /** What stands, for verifiers; `undefined` when nothing was frozen. */
  readCohort(
    run: Uint8Array,
    round: number,
  ): Promise<{ readonly root: Uint8Array; readonly beacon: Uint8Array } | undefined>;
  readSurvivors(run: Uint8Array, round: number): Promise<{ readonly hash: Uint8Array } | undefined>;
  readModel(run: Uint8Array, round: number): Promise<ModelVersion | undefined>;
}
