/**
 * @module Determines the party that an error of an attempt accuses, if any. Errors of the ports are
 * wrapped at the port, so the port decides and never the code. A breach is an error that carries
 * the coordinator's signed record (`protocol/rules/breach.ts`). Any other invalid frame is refused
 * and proves nothing, because the line may have changed it.
 */
import { FloeError, type ErrorCode } from '../../../protocol/errors.ts';
import { isOwnFault } from '../../../protocol/own-faults.ts';
import { Breach } from '../../../protocol/rules/breach.ts';

export type RemotePort = 'store' | 'gate' | 'ledger';
export type LocalPort = 'keystore' | 'trainer';
export type PortName = RemotePort | LocalPort;

/** A port threw this. */
export class PortFault extends FloeError {
  readonly port: PortName;

  constructor(port: PortName, { code, message, details }: FloeError, cause: unknown) {
    super(code, message, details, { cause });
    this.port = port;
  }
}

const isRemote = (port: PortName): port is RemotePort =>
  port === 'store' || port === 'gate' || port === 'ledger';

/**
 * - `breach`: the coordinator's signed records prove it.
 * - `outage`: a store, gate or ledger does not answer, or not as it should: waited for, then the
 *   attempt is left.
 * - `local`: this machine, its disk, its trainer or its data: the attempt is left, the next one is
 *   tried.
 * - `unproven`: something that came is against the rules and nothing signed shows who did it: the
 *   attempt is left.
 * - `declined`: this participant's own rules forbid the attempt.
 * - `end`: nothing more can be done in this run.
 */
export type Verdict = 'breach' | 'outage' | 'local' | 'unproven' | 'declined' | 'end';

/**
 * Own rules: what was spent before, an attempt that this participant does not want, or is too late
 * for.
 */
const DECLINED: ReadonlySet<ErrorCode> = new Set([
  'update_already_spent',
  'privacy_budget_spent',
  'admission_refused',
  'phase_closed',
  'mask_reuse',
  'already_answered',
]);

/**
 * @param source `frame`: while a frame was handled; `work`: in the participant's own work beside
 * the frames
 */
export const judge = (error: FloeError, source: 'frame' | 'work'): Verdict => {
  if (error instanceof Breach) return 'breach';
  if (error instanceof PortFault)
    return isRemote(error.port) && !isOwnFault(error.code) ? 'outage' : 'local';
  if (error.code === 'commit_fabricated') return 'end';
  if (DECLINED.has(error.code)) return 'declined';
  return source === 'frame' ? 'unproven' : 'local';
};
