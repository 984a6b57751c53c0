/**
 * @module The participant's own privacy budget: checked when it joins and before it registers,
 * spent on disk before a vector is kept.
 */
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { FloeError } from '../../../protocol/errors.ts';
import type { AdmissionPolicy } from '../../admission.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import {
  budgetRefusal,
  decodeLedger,
  encodeLedger,
  nextRelease,
  withRelease,
  type TotalBudget,
} from '../../privacy/ledger.ts';
import type { RunView } from '../machine/record-checks.ts';

type Ledgers = Pick<Keystore, 'loadLedger' | 'changeLedger'>;

/** What the policy allows over all runs; undefined where it sets no limit. */
export const totalBudget = ({ totalEpsilon, delta }: AdmissionPolicy): TotalBudget | undefined =>
  totalEpsilon === undefined ? undefined : { epsilon: totalEpsilon, delta };

/** @throws FloeError `privacy_budget_spent` */
const check = async (
  keystore: Ledgers,
  run: Uint8Array,
  spec: RunSpec,
  attempt: number | undefined,
  total: TotalBudget | undefined,
): Promise<void> => {
  if (spec.privacy === undefined) return;
  const ledger = decodeLedger(await keystore.loadLedger());
  const next = attempt ?? nextRelease(ledger, run);
  const refusal = budgetRefusal(ledger, run, spec, next, total);
  if (refusal !== undefined) throw refusal;
};

/**
 * Before it joins a run, where one more release must be possible.
 * @throws FloeError `privacy_budget_spent`
 */
export const requireAnyBudget = (
  keystore: Ledgers,
  run: Uint8Array,
  spec: RunSpec,
  total: TotalBudget | undefined,
): Promise<void> => check(keystore, run, spec, undefined, total);

/** Before it registers. @throws FloeError `privacy_budget_spent` */
export const requireBudget = (
  keystore: Ledgers,
  { run, spec }: RunView,
  attempt: number,
  total: TotalBudget | undefined,
): Promise<void> => check(keystore, run, spec, attempt, total);

/** Before a vector is kept. @throws FloeError `privacy_budget_spent` */
export const spendBudget = async (
  keystore: Ledgers,
  { run, spec }: RunView,
  attempt: number,
  total: TotalBudget | undefined,
): Promise<void> => {
  if (spec.privacy === undefined) return;
  let refusal: FloeError | undefined;
  await keystore.changeLedger((before) => {
    const ledger = decodeLedger(before);
    refusal = budgetRefusal(ledger, run, spec, attempt, total);
    const next = withRelease(ledger, run, spec, attempt);
    return refusal !== undefined || next === ledger ? undefined : encodeLedger(next);
  });
  if (refusal !== undefined) throw refusal;
};
