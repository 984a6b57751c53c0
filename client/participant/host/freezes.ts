/**
 * @module Reads the ledger's record of an attempt for a participant, in parallel with the frames,
 * and repeats the read while the ledger lags. A freeze happens once and before the coordinator
 * shows the record, so a ledger without it lags behind.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { PortFault } from '../machine/verdict.ts';
import type { LedgerReader } from '../options.ts';

interface Freezes {
  readonly cohort: NonNullable<Awaited<ReturnType<LedgerReader['readCohort']>>>;
  readonly survivors: NonNullable<Awaited<ReturnType<LedgerReader['readSurvivors']>>>;
}

/** @throws PortFault of the ledger, `ledger_unavailable` where it holds nothing yet */
export const readFreeze = async <What extends keyof Freezes>(
  ledger: LedgerReader,
  what: What,
  run: Uint8Array,
  attempt: number,
): Promise<Freezes[What]> => {
  const found =
    what === 'cohort'
      ? await ledger.readCohort(run, attempt)
      : await ledger.readSurvivors(run, attempt);
  if (found !== undefined) return found as Freezes[What];
  const message = `the ledger (${ledger.kind}) holds no ${what} of attempt ${attempt} yet`;
  throw new PortFault('ledger', new FloeError('ledger_unavailable', message), undefined);
};
