/**
 * @module What a participant is given to work with. The simulator and production differ in these
 * only.
 */
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { ErrorCode, FloeError } from '../../protocol/errors.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import type { AdmissionPolicy } from '../admission.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { Trainer } from '../trainer.ts';
import type { Backoff } from './backoff.ts';
import type { RunView } from './checks.ts';
import type { ParticipantEvent } from './events.ts';
import type { Answers } from './spending.ts';
import type { Own } from './crypto-steps.ts';

/** The part of a ledger that a participant reads. Without one it trusts the consistency round. */
export type LedgerReader = Pick<
  Ledger,
  'kind' | 'beacon' | 'readCohort' | 'readSurvivors' | 'readFamily' | 'time'
>;

/** What one round works with. What the ports throw is a `PortFault`, see fault.ts. */
export interface RoundPorts {
  readonly view: RunView;
  readonly admission: AdmissionPolicy;
  readonly own: Own;
  readonly keystore: Keystore;
  readonly trainer: Pick<Trainer, 'train'>;
  readonly store: Pick<BlobStore, 'put' | 'get' | 'getRange'>;
  readonly gate: AccessGate;
  readonly ledger: LedgerReader | undefined;
  /** Which survivor sets it answers for on one model. */
  readonly answers: Answers;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Milliseconds that a store, gate or ledger is waited for within an attempt. */
  readonly patienceMs: number;
  /**
   * What to call an error towards others: `clock_skewed` where the own clock is wrong and a gate or
   * ledger fails.
   */
  readonly causeOf: (error: FloeError) => ErrorCode;
  /** Tells the coordinator what this participant waits for. */
  readonly report: (round: number, error: FloeError) => void;
  /**
   * To the coordinator, if a session is up; else the bytes are sent again when the coordinator asks
   * again.
   */
  readonly send: (frame: Uint8Array) => void;
  /** Resolves once what was sent has left this process, or no session is up. */
  readonly sent: (signal: AbortSignal) => Promise<void>;
  readonly emit: (event: ParticipantEvent) => void;
  readonly warn: (message: string) => void;
  /** Does `work` after everything that came before it, and before anything that comes later. */
  readonly enqueue: (work: () => Promise<void>) => void;
}
