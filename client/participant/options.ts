/**
 * @module What a participant is started with, and how it ends.
 */
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { AdmissionInput } from '../admission.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { Trainer } from '../trainer.ts';
import type { Log, ParticipantEvent } from './events.ts';
import type { Backoff } from './host/backoff.ts';
import type { Expected } from './host/session.ts';
import type { Machine } from './machine/index.ts';
import type { Answers } from './machine/spending.ts';

/** The part of a ledger that a participant reads. Without one it trusts the consistency round. */
export type LedgerReader = Pick<
  Ledger,
  'kind' | 'beacon' | 'readCohort' | 'readSurvivors' | 'readFamily' | 'time'
>;

/** A port, or what opens it once it is known which run it is for. */
export type OnRun<Port> = Port | ((run: Uint8Array, spec: RunSpec) => Port | Promise<Port>);

export interface ParticipantOptions {
  /** Makes a fresh connection to the coordinator. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  readonly keystore: Keystore;
  /** Or what makes one once the specification is known. */
  readonly trainer: Trainer | ((spec: RunSpec) => Trainer | Promise<Trainer>);
  /**
   * Each port, or what makes it once the specification is known: at the first login, again if that
   * fails.
   */
  readonly store: OnRun<BlobStore>;
  readonly gate: OnRun<AccessGate>;
  /** Where cohorts and survivor sets are frozen, if the coordinator alone does not keep that. */
  readonly ledger?: OnRun<LedgerReader | undefined>;
  /**
   * Which survivor sets it answers for on one model (specification of secure aggregation, section
   * 2.0). Default: `ledger` where there is a ledger that the coordinator does not keep alone, else
   * `strict`.
   */
  readonly answers?: Answers;
  readonly clock: Clock;
  /** A CSPRNG outside of simulations. */
  readonly random: RandomSource;
  /**
   * Of the noise of differential privacy in an attempt, for simulations that repeat it. Default: a
   * fresh seed of `random`, which is kept nowhere.
   */
  readonly noise?: (attempt: number) => RandomSource;
  /** What is known of the run beforehand; anything else is refused with `spec_mismatch`. */
  readonly expect?: Expected;
  /**
   * What a run must offer, where not as the defaults say; a run that offers less is refused with
   * `admission_refused`.
   */
  readonly require?: AdmissionInput;
  readonly backoff?: Backoff;
  /**
   * Milliseconds that a store, gate or ledger that fails is waited for within an attempt, before
   * the attempt is left and the next one tried. Default 5 minutes.
   */
  readonly patienceMs?: number;
  /** Milliseconds a login may take. Default 20 s. */
  readonly loginTimeoutMs?: number;
  /**
   * Milliseconds to wait for the first login; once it has joined a run it waits for as long as it
   * is left. Default 10 minutes.
   */
  readonly firstLoginMs?: number;
  /**
   * After the run has finished, the session stays open until `stop` is called: the coordinator
   * serves the final model for as long. Default false.
   */
  readonly staysToTheEnd?: boolean;
  /** What decides in an attempt; default: the machine of Floe's protocol. */
  readonly machine?: Machine;
  readonly log?: Log;
  readonly onEvent?: (event: ParticipantEvent) => void;
}

export interface Outcome {
  /** `stopped`: by the caller, before the end. */
  readonly type: 'finished' | 'stopped';
  readonly run: Uint8Array | undefined;
  readonly spec: RunSpec | undefined;
  /** The last commit this participant has seen: names the newest model and opens it. */
  readonly commit: SignedRecord<'commit'> | undefined;
}
