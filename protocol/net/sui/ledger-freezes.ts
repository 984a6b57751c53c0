/**
 * @module The freezes of an attempt on Sui: its cohort, with which the package draws the beacon,
 * and its survivors.
 */
import { bcs } from '@mysten/sui/bcs';
import type { Transaction, TransactionArgument } from '@mysten/sui/transactions';
import { equalBytes } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { addressOf } from '../../ports/identity.ts';
import type { CohortFreeze, Ledger, SurvivorFreeze } from '../../ports/ledger.ts';
import { withRetry } from './bounds.ts';
import { bytes } from './layout.ts';
import { LAG_RETRIES, type Once } from './ledger-once.ts';
import { own, type LedgerReads } from './ledger-read.ts';
import type { SuiRun } from './run.ts';

/** Adds a call of the package to a transaction; the right to write and the run come first. */
export type CallPackage = (
  transaction: Transaction,
  object: SuiRun,
  target: string,
  rest: (transaction: Transaction) => TransactionArgument[],
) => void;

export const callPackage =
  (packageId: string): CallPackage =>
  (transaction, { run, cap }, target, rest) =>
    void transaction.moveCall({
      target: `${packageId}::${target}`,
      arguments: [transaction.object(cap), transaction.object(run), ...rest(transaction)],
    });

export interface FreezesInit {
  readonly reads: LedgerReads;
  readonly once: Once;
  readonly call: CallPackage;
  readonly clock: Clock | undefined;
}

export const createFreezes = ({
  reads,
  once,
  call,
  clock,
}: FreezesInit): Pick<Ledger, 'freezeCohort' | 'freezeSurvivors'> => {
  const { attemptOf, readCohort, readSurvivors } = reads;

  const freezeCohort = async ({ run, attempt, root, members, entropy }: CohortFreeze) => {
    const receipt = await once(
      'cohort',
      run,
      attempt,
      () => attemptOf(run, attempt),
      (found) => equalBytes(own(found.cohortRoot), root) && equalBytes(own(found.entropy), entropy),
      (transaction, object) =>
        call(transaction, object, 'run::freeze_cohort', ({ pure, object: shared }) => [
          pure.u64(attempt),
          pure(bcs.vector(bytes).serialize(members)),
          pure.vector('u8', root),
          pure.vector('u8', entropy),
          shared.random(),
          shared.clock(),
        ]),
    );
    const { beacon } = await withRetry({ retries: LAG_RETRIES, clock }, async () => {
      const found = await readCohort(run, attempt);
      if (found !== undefined) return found;
      throw new FloeError('ledger_unavailable', `the cohort of attempt ${attempt} is not seen yet`);
    });
    return { beacon, receipt };
  };

  const freezeSurvivors = async (freeze: SurvivorFreeze) => {
    const { run, attempt, hash, members, dataCommitment } = freeze;
    const receipt = await once(
      'survivors',
      run,
      attempt,
      () => readSurvivors(run, attempt),
      (found) => equalBytes(found.hash, hash) && equalBytes(found.dataCommitment, dataCommitment),
      (transaction, object) =>
        call(transaction, object, 'run::freeze_survivors', ({ pure, object: shared }) => [
          pure.u64(attempt),
          pure.vector('address', members.map(addressOf)),
          pure.vector('u8', hash),
          pure.vector('u8', dataCommitment),
          shared.clock(),
        ]),
    );
    return { receipt };
  };

  return { freezeCohort, freezeSurvivors };
};
