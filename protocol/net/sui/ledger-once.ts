/**
 * @module Writing to the ledger once: what stands already must be the same, and a refusal of the
 * package because something stands is settled by reading it.
 */
import type { Transaction } from '@mysten/sui/transactions';
import { FloeError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { withRetry } from './bounds.ts';
import type { RunLookup } from './run-lookup.ts';
import type { SuiRun } from './run.ts';
import { TransactionFailed, type Sender } from './transactions.ts';

/** The package's words for: said already, by module and code. */
const FROZEN: ReadonlySet<string> = new Set(['run/2', 'model/21']);
/** Reads may lag behind what the chain has just refused to say twice. */
export const LAG_RETRIES = 8;

const isFrozen = (thrown: unknown): boolean =>
  thrown instanceof TransactionFailed && FROZEN.has(`${thrown.module}/${thrown.abortCode}`);

export interface OnceInit {
  readonly runs: RunLookup;
  readonly sender: Sender | undefined;
  readonly clock: Clock | undefined;
}

/**
 * Says a thing once. @returns the receipt
 * @throws FloeError `already_frozen` when another value stands, `ledger_unavailable`
 */
export type Once = <Standing>(
  what: string,
  run: Uint8Array,
  attempt: number,
  read: () => Promise<Standing | undefined>,
  isSame: (standing: Standing) => boolean,
  say: (transaction: Transaction, object: SuiRun) => void | Promise<void>,
) => Promise<string>;

export const createOnce = ({ runs, sender, clock }: OnceInit): Once => {
  const once = async <Standing>(
    what: string,
    run: Uint8Array,
    attempt: number,
    read: () => Promise<Standing | undefined>,
    isSame: (standing: Standing) => boolean,
    say: (transaction: Transaction, object: SuiRun) => void | Promise<void>,
  ): Promise<string> => {
    const object = await runs.ensured(run);
    const receipt = `sui:${object.run}/${what}/${attempt}`;
    const settled = (found: Standing): string => {
      if (isSame(found)) return receipt;
      throw new FloeError(
        'already_frozen',
        `another ${what} of attempt ${attempt} is already frozen`,
        { attempt },
      );
    };
    const before = await read();
    if (before !== undefined) return settled(before);
    try {
      await sender?.execute((transaction) => say(transaction, object));
      return receipt;
    } catch (thrown) {
      if (!isFrozen(thrown)) throw thrown;
    }
    return withRetry({ retries: LAG_RETRIES, clock }, async () => {
      const found = await read();
      if (found === undefined)
        throw new FloeError(
          'ledger_unavailable',
          `the ${what} of attempt ${attempt} is not seen yet`,
        );
      return settled(found);
    });
  };

  return once;
};
