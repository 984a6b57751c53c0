/**
 * @module Checks whether the coordinator can pay for its run: compares its balance on chain with
 * the cost on Walrus and Sui, computed by `protocol/net/cost.ts` at current prices of the network.
 * Loads the SDKs: import it only for a run on a network.
 */
import { runCost, showCoins, walrusOf, type WalrusPrices } from '../protocol/net/cost.ts';
import { openPurse, type Funds } from '../protocol/net/purse.ts';
import { GAS_RATES, storedBy } from '../protocol/spec/size-of-run.ts';
import { FloeError } from '../protocol/errors.ts';
import { epochsOf, type NetworkConfig } from '../protocol/net/config.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';

export { covers, openPurse, type Funds, type Purse } from '../protocol/net/purse.ts';

/** Rounds that fail are paid for as well, and so are prices that rise. */
const RESERVE_PERCENT = 120n;
const withReserve = (amount: bigint): bigint => (amount * RESERVE_PERCENT) / 100n;

/**
 * What `rounds` rounds of a run cost, with a reserve of a fifth; the initial model and the run
 * itself included.
 *
 * @param epochs that blobs are kept for
 */
export const estimateRun = (
  spec: RunSpec,
  rounds: number,
  epochs: number,
  prices: WalrusPrices,
): Funds => {
  const { total } = runCost(storedBy(spec, rounds, epochs), prices, GAS_RATES);
  return { sui: withReserve(total.gas), wal: withReserve(walrusOf(total)) };
};

/** The cost of one round, without the reserve. @param epochs for which blobs are stored */
export const estimateRound = (spec: RunSpec, epochs: number, prices: WalrusPrices): Funds => {
  const { round } = runCost(storedBy(spec, 1, epochs), prices, GAS_RATES);
  return { sui: round.gas, wal: walrusOf(round) };
};

/** How many times `each` can be paid from `have`. */
export const timesCovered = (have: Funds, each: Funds): number =>
  Math.min(times(have.sui, each.sui), times(have.wal, each.wal));

const times = (owned: bigint, cost: bigint): number =>
  cost === 0n ? Infinity : Number(owned / cost);

/** The balance that pays for the run, and the cost that remains. */
export interface FundsReport {
  readonly address: string;
  readonly have: Funds;
  /** One round at present prices. */
  readonly perRound: Funds;
  /** How many rounds that lasts for. */
  readonly rounds: number;
}

export interface Treasury {
  /** @throws FloeError `ledger_unavailable` */
  look(): Promise<FundsReport>;
}

/** Opens the account from which the coordinator pays. */
export const openTreasury = (network: NetworkConfig, spec: RunSpec, address: string): Treasury => {
  const purse = openPurse(network, address);
  return {
    look: async () => {
      const [have, prices] = await Promise.all([purse.balance(), purse.prices()]);
      const perRound = estimateRound(spec, epochsOf(network), prices);
      return { address, have, perRound, rounds: timesCovered(have, perRound) };
    },
  };
};

/** The part of `needed` that `have` does not cover. */
export const shortOf = (have: Funds, needed: Funds): Funds => ({
  sui: needed.sui > have.sui ? needed.sui - have.sui : 0n,
  wal: needed.wal > have.wal ? needed.wal - have.wal : 0n,
});

export const showFunds = ({ sui, wal }: Funds): string =>
  `${showCoins(sui)} SUI and ${showCoins(wal)} WAL`;

/** @param what the thing to pay for, in the plural: `5 rounds` */
export const fundsMissing = (
  address: string,
  have: Funds,
  needed: Funds,
  what: string,
): FloeError =>
  new FloeError(
    'funds_missing',
    `${address} has ${showFunds(have)}; ${what} take about ${showFunds(needed)}: ` +
      `send it ${showFunds(shortOf(have, needed))}`,
    { address },
  );
