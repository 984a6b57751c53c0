/**
 * @module One entry of the error catalogue.
 */

/** Where an error is raised; also the order of `docs/errors.md`. */
export type ErrorArea =
  'wire' | 'spec' | 'data' | 'secagg' | 'round' | 'store' | 'access' | 'ledger' | 'verify' | 'cli';

/**
 * The party at fault, provided that the error is correct.
 *
 * - `coordinator`, `participant`: that party of the run; where a `Breach` carries the coordinator's
 *   record, proven.
 * - `peer`: the other end of the connection, or the line between; nothing proves which.
 * - `author`: the signer of the record that the error is about.
 * - `either`: the two sides do not agree, and each may be the one to change.
 * - `service`: a blob store, a key server, a ledger.
 * - `network`: the line between the two.
 * - `operator`: the operator of this process: its flags, files, disk, funds.
 * - `nobody`: it happens in an honest run. `floe`: a fault of this program.
 */
export type Fault =
  | 'coordinator'
  | 'participant'
  | 'peer'
  | 'author'
  | 'either'
  | 'service'
  | 'network'
  | 'operator'
  | 'nobody'
  | 'floe';

export interface ErrorEntry {
  readonly area: ErrorArea;
  readonly fault: Fault;
  /** What went wrong, in one sentence. */
  readonly meaning: string;
  /** What the person who reads it should do. */
  readonly remedy: string;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
}

export const entry = (
  area: ErrorArea,
  fault: Fault,
  retryable: boolean,
  meaning: string,
  remedy: string,
): ErrorEntry => ({ area, fault, meaning, remedy, retryable });
