/**
 * @module The events of `startCoordinator`: opening, running and ending a run.
 */
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { Publication } from '../protocol/records/publication.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Outcome } from './coordinator.ts';
import type { Funds } from './funds.ts';
import type { Progress } from './machine/index.ts';
import type { Presence } from './presence-notes.ts';
import type { UpkeepEvent } from './upkeep.ts';

/** The coordinator's balance, compared with the cost of the remaining rounds at current prices. */
export interface FundsOfRun {
  readonly address: string;
  readonly have: Funds;
  /** For all rounds that are left, with a reserve of a fifth. */
  readonly needed: Funds;
  /** Undefined where `have` covers `needed`. */
  readonly missing: Funds | undefined;
  readonly roundsLeft: number;
  /** That blobs are paid for. */
  readonly epochs: number;
  /** A blob stored now is kept until this epoch begins; the time is in ms since 1970. */
  readonly paidUntil: { readonly epoch: number; readonly time: number };
  /** Rounds that `have` pays for. */
  readonly lasts: number;
}

/** In this order; `progress`, `presence`, `upkeep` and `warning` at any time. */
export type StartEvent =
  | { readonly type: 'opened'; readonly spec: RunSpec; readonly resumed: boolean }
  | {
      readonly type: 'network';
      readonly url: string;
      /** File that describes it. */
      readonly path: string;
      readonly packageId: string;
      readonly seal: NetworkConfig['seal'];
    }
  /** Without `funds` nothing but the transcript is left to pay for. */
  | { readonly type: 'funds'; readonly address: string; readonly funds: FundsOfRun | undefined }
  /** Uploads that a crash had interrupted are done. */
  | { readonly type: 'uploads-resumed'; readonly count: number }
  | {
      readonly type: 'ports';
      readonly store: string;
      readonly gate: string;
      readonly ledger: string;
    }
  | {
      readonly type: 'listening';
      readonly url: string;
      /** For participants: `ws://host:port` or `wss://...`. */
      readonly joinUrl: string;
      readonly host: string;
      readonly port: number;
      /** SHA-256 of the certificate, 64 hex digits; undefined without TLS. */
      readonly fingerprint: string | undefined;
      readonly spec: RunSpec;
      /** On a network: the run's object id, and the file that describes the network. */
      readonly runObject: string | undefined;
      readonly network: string | undefined;
    }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'presence'; readonly presence: Presence }
  | { readonly type: 'upkeep'; readonly event: UpkeepEvent }
  | { readonly type: 'finished'; readonly outcome: Outcome }
  | { readonly type: 'published'; readonly publication: Publication }
  /** The coordinator waits for participants that learn of the end or fetch the final model. */
  | { readonly type: 'farewell'; readonly untold: number }
  | { readonly type: 'warning'; readonly message: string };
