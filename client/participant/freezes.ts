/**
 * @module What the ledger holds of an attempt, as a participant reads it: beside the frames, and
 * again while the ledger does not hold it yet. A freeze happens once and before the coordinator
 * shows the record, so a ledger without it lags behind.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Kind } from './background-work.ts';
import { PortFault } from './fault.ts';
import type { Live } from './current-attempt.ts';
import type { LedgerReader } from './ports.ts';
import type { Progress } from './progress.ts';

interface Freezes {
  readonly cohort: NonNullable<Awaited<ReturnType<LedgerReader['readCohort']>>>;
  readonly survivors: NonNullable<Awaited<ReturnType<LedgerReader['readSurvivors']>>>;
}

/** @throws PortFault of the ledger, `ledger_unavailable` where it holds nothing yet */
export const readFreeze = async <What extends keyof Freezes>(
  ledger: LedgerReader,
  what: What,
  run: Uint8Array,
  round: number,
): Promise<Freezes[What]> => {
  const found =
    what === 'cohort'
      ? await ledger.readCohort(run, round)
      : await ledger.readSurvivors(run, round);
  if (found !== undefined) return found as Freezes[What];
  const message = `the ledger (${ledger.kind}) holds no ${what} of round ${round} yet`;
  throw new PortFault('ledger', new FloeError('ledger_unavailable', message), undefined);
};

/**
 * Continues with what the ledger holds; at once, and with nothing, where the coordinator alone keeps
 * the freezes.
 */
export const afterFreeze = async <What extends keyof Freezes & Kind>(
  progress: Progress,
  live: Live,
  what: What,
  then: (facts: { readonly [Name in What]?: Freezes[What] }) => Promise<void>,
): Promise<void> => {
  const { ledger, view } = progress.ports;
  if (ledger === undefined) return then({});
  progress.beside.start(live, what, {
    source: 'frame',
    work: ({ wait }) => wait(() => readFreeze(ledger, what, view.run, live.open.round)),
    done: (found) => then({ [what]: found } as { readonly [Name in What]: Freezes[What] }),
  });
};
