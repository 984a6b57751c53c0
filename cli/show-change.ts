/**
 * @module Prints a transaction, or states that none was needed.
 */
import { showCoins } from '../protocol/net/cost.ts';
import type { Output } from './output.ts';

export interface Change {
  /** For `--json`. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly words: string;
  /** Undefined where the chain had it so already. */
  readonly executed: { readonly digest: string; readonly gas: bigint } | undefined;
}

/** Deleting objects can pay back more than the transaction costs. */
export const showTransaction = ({ digest, gas }: NonNullable<Change['executed']>): string =>
  `transaction ${digest}, ${gas < 0n ? `gas refund ${showCoins(-gas)}` : `gas ${showCoins(gas)}`} SUI`;

export const showChange = ({ facts, words, executed }: Change, output: Output): void => {
  const { digest, gas } = executed ?? {};
  output.document({ ...facts, changed: executed !== undefined, digest, gas });
  output.say(words);
  if (executed !== undefined) output.line(showTransaction(executed));
};
