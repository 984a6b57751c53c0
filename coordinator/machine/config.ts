/**
 * @module The constants of the machine: the specification, the run's hash, and the coordinator's
 * signature (Ed25519 is deterministic, so signing keeps the reducer pure).
 */
import type { Body, RecordType, SignedRecord } from '../../protocol/records/records.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';

export interface MachineConfig {
  readonly spec: RunSpec;
  /** hashRunSpec(spec). */
  readonly run: Uint8Array;
  /** The coordinator's Ed25519 key. */
  readonly coordinator: Uint8Array;
  /** Where the beacon of a cohort comes from: see `Ledger`. */
  readonly beacon: 'members' | 'ledger';
  /**
   * Members may answer for smaller groups of a set that they have answered: the ledger is public,
   * or all have consented.
   */
  readonly regroups: boolean;
  /** Signs a record of the coordinator; must give the same bytes for the same arguments. */
  readonly sign: <Type extends RecordType>(
    type: Type,
    attempt: number,
    body: Body<Type>,
  ) => SignedRecord<Type>;
}

/**
 * Time limit of a piece of the host's work (wrapping, freezing, folding, finishing), after which
 * the attempt is aborted.
 */
export const WORK_LIMIT_MS = 10 * 60_000;
/** Pause after the first failed attempt; doubles with each one that follows, up to the longest. */
export const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS = 60_000;
/** A record's attempt number ends here; so does the run. */
export const MAX_ATTEMPTS = 100_000;
/** Identities that are remembered for having been in a cohort, those of the latest cohorts. */
export const MAX_PLACES = 10_000;
/** Identities whose last registration is remembered. */
export const MAX_REGISTERED = 4096;
/** Envelopes hold at most this many readers (512 KiB of a record). */
export const MAX_READERS = 2500;
/** Time that participants have at least to reconnect after the coordinator was started again. */
export const RECONNECT_MS = 30_000;
