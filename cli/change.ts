/**
 * @module What a command says of a transaction, or of one that was not needed.
 */
import { showCoins } from '../protocol/net/cost.ts';
import type { Output } from './output.ts';

export interface Executed {
  readonly digest: string;
  readonly gas: bigint;
}

/** For `--json`: whether anything was changed, and by which transaction. */
export const changeDocument = (executed: Executed | undefined): Record<string, unknown> => ({
  changed: executed !== undefined,
  ...(executed === undefined ? {} : { digest: executed.digest, gas: String(executed.gas) }),
});

/** In words. */
export const showTransaction = ({ digest, gas }: Executed): string =>
  `transaction ${digest}, gas ${showCoins(gas)} SUI`;

export const tellChange = (
  {
    facts,
    words,
    executed,
  }: {
    readonly facts: Readonly<Record<string, unknown>>;
    readonly words: string;
    readonly executed: Executed | undefined;
  },
  output: Output,
): void => {
  output.document({ ...facts, ...changeDocument(executed) });
  output.say(words);
  if (executed !== undefined) output.line(showTransaction(executed));
};
