/**
 * @module The ports of a participant. The simulator and production differ in these only.
 */
import type { AccessGate } from '../../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../../protocol/ports/blob-store.ts';
import type { Clock } from '../../../protocol/ports/clock.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import type { Trainer } from '../../trainer.ts';
import type { RunView } from '../machine/record-checks.ts';
import type { LedgerReader } from '../options.ts';
import type { Backoff } from './backoff.ts';
import type { TotalBudget } from '../../privacy/ledger.ts';
import type { Own } from './crypto-steps.ts';

/** What the works of an attempt use. What the ports throw is a `PortFault`, see port-faults.ts. */
export interface WorkPorts {
  readonly view: RunView;
  readonly own: Own;
  readonly keystore: Keystore;
  readonly trainer: Pick<Trainer, 'train'>;
  readonly store: Pick<BlobStore, 'put' | 'get' | 'getRange'>;
  readonly gate: AccessGate;
  readonly ledger: LedgerReader | undefined;
  /** What the participant allows itself over all runs. */
  readonly total: TotalBudget | undefined;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Milliseconds that a store, gate or ledger is waited for within an attempt. */
  readonly patienceMs: number;
  /** Resolves once what was sent has left this process, or no session is up. */
  readonly sent: (signal: AbortSignal) => Promise<void>;
}
