/**
 * @module The cost of a run on Walrus and Sui, estimated before it starts: at current prices of a
 * network, at prices of the caller, or at the documented ones. `floe cost` prints the result.
 */
import { FloeError } from '../protocol/errors.ts';
import { DEFAULT_EPOCHS, epochsOf, type NetworkConfig } from '../protocol/net/config.ts';
import { keepingCost, runCost, type RunCost, type WalrusPrices } from '../protocol/net/cost.ts';
import type { Epochs } from '../protocol/net/walrus/epochs.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import {
  DOCUMENTED_EPOCH_MS,
  DOCUMENTED_PRICES,
  GAS_RATES,
  storedBy,
} from '../protocol/spec/size-of-run.ts';
import type { Funds } from './funds.ts';

export interface CostOptions {
  /** Prices are read there, unless some are given. */
  readonly network?: (() => Promise<NetworkConfig>) | undefined;
  /** With `network`: how many rounds this address can pay for. */
  readonly address?: string | undefined;
  /** Prices by hand; those left out are the documented ones. */
  readonly prices?: Partial<WalrusPrices>;
  /** Examples of a participant, on average. Default: unknown; the largest uploads count. */
  readonly examples?: number | undefined;
  /** Epochs that blobs are kept for. Default: the network's, or 3. */
  readonly epochs?: number | undefined;
}

export interface CostOfRun {
  readonly stored: ReturnType<typeof storedBy>;
  readonly cost: RunCost;
  readonly prices: WalrusPrices;
  /** Where the prices are from. */
  readonly from: 'network' | 'given' | 'documented';
  readonly epochs: number;
  /** How long an epoch lasts, ms. */
  readonly epochMs: number;
  /**
   * On a network: a blob stored now is kept until this epoch begins; the time is in ms since 1970.
   */
  readonly paidUntil: { readonly epoch: number; readonly time: number } | undefined;
  /** FROST per epoch, for the blobs that the next round reads. */
  readonly keepingPerEpoch: bigint;
  /** The balance of the address, and the number of rounds that it pays for. */
  readonly funds: (Funds & { readonly rounds: number }) | undefined;
}

interface Priced {
  readonly prices: WalrusPrices;
  readonly epochs: number;
  /** Which epoch it is, on a network; else how long one lasts, as documented. */
  readonly now: Partial<Epochs> & Pick<Epochs, 'duration'>;
  readonly have?: Funds;
  readonly from: CostOfRun['from'];
}

const pricesFor = async ({ network, address, prices, epochs }: CostOptions): Promise<Priced> => {
  const given = prices ?? {};
  const isGiven = Object.values(given).some((value) => value !== undefined);
  if (network !== undefined && !isGiven) {
    const { openPurse } = await import('./funds.ts');
    const config = await network();
    // Prices and balances are public, so any address can read them.
    const purse = openPurse(config, address ?? `0x${'0'.repeat(64)}`);
    return {
      prices: await purse.prices(),
      epochs: epochs ?? epochsOf(config),
      now: await purse.epochs(),
      from: 'network',
      ...(address === undefined ? {} : { have: await purse.balance() }),
    };
  }
  if (address !== undefined)
    throw new FloeError(
      'usage',
      '--address requires --network and does not combine with given prices',
    );
  return {
    prices: { ...DOCUMENTED_PRICES, ...given },
    epochs: epochs ?? DEFAULT_EPOCHS,
    now: { duration: DOCUMENTED_EPOCH_MS },
    from: isGiven ? 'given' : 'documented',
  };
};

const paidUntil = ({ now, epochs }: Priced): CostOfRun['paidUntil'] => {
  const { epoch, since, duration } = now;
  return epoch === undefined || since === undefined
    ? undefined
    : { epoch: epoch + epochs, time: since + epochs * duration };
};

/** @throws FloeError `usage`, `ledger_unavailable`, what reading the network throws */
export const costOfRun = async (spec: RunSpec, options: CostOptions = {}): Promise<CostOfRun> => {
  const priced = await pricesFor(options);
  const { prices, epochs, from, now, have } = priced;
  const stored = storedBy(spec, spec.rounds, epochs, options.examples);
  const cost = runCost(stored, prices, GAS_RATES);
  const { gas, storage, write } = cost.round;
  let funds: CostOfRun['funds'];
  if (have !== undefined) {
    const { timesCovered } = await import('./funds.ts');
    funds = { ...have, rounds: timesCovered(have, { sui: gas, wal: storage + write }) };
  }
  return {
    stored,
    cost,
    prices,
    from,
    epochs,
    epochMs: now.duration,
    paidUntil: paidUntil(priced),
    keepingPerEpoch: keepingCost(stored, prices),
    funds,
  };
};
