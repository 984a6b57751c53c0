/**
 * @module The constants of the machine, set when it starts.
 */
import type { AdmissionPolicy } from '../../admission.ts';
import type { RunView } from './record-checks.ts';
import type { Answers } from './spending.ts';

export interface MachineConfig {
  readonly view: RunView;
  readonly admission: AdmissionPolicy;
  /** Which survivor sets it answers for on one model. */
  readonly answers: Answers;
  /** Whether a ledger holds the freezes that the coordinator does not keep alone. */
  readonly hasLedger: boolean;
}

export const isMasked = ({ view }: MachineConfig): boolean => view.spec.secagg === 'masked';

/** After this many breaches, each proven by a signed record, a coordinator gets no more answers. */
export const MAX_BREACHES = 3;
