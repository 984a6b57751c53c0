/**
 * @module Whether the coordinator can pay for its run: what it owns on chain, and what the run is going to cost on Walrus and Sui
 * by `protocol/net/cost.ts` at the network's present prices. Loads the SDKs: import it where a run is on a network.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { SUI_TYPE_ARG } from '@mysten/sui/utils';
import type { WalrusClient } from '@mysten/walrus';
import { suiClientOf, walrusClientOf } from '../protocol/net/walrus/client.ts';
import { readEpochs, type Epochs } from '../protocol/net/walrus/epochs.ts';
import { runCost, showCoins, walrusOf, type WalrusPrices } from '../protocol/net/cost.ts';
import { GAS_RATES, storedBy } from '../protocol/spec/size-of-run.ts';
import { FloeError } from '../protocol/errors.ts';
import { epochsOf, type NetworkConfig } from '../protocol/net/config.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { bounded, withRetry } from '../protocol/net/sui/bounds.ts';

/** MIST of SUI, FROST of WAL. */
export interface Funds {
  readonly sui: bigint;
  readonly wal: bigint;
}

/** Rounds that fail are paid for as well, and so are prices that rise. */
const RESERVE_PERCENT = 120n;
const TIMEOUT_MS = 20_000;
const FAUCET_REQUESTS = 5;
/** How long coins from a faucet are looked for: some six seconds. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 3_200;

const withReserve = (amount: bigint): bigint => (amount * RESERVE_PERCENT) / 100n;

/**
 * What `rounds` rounds of a run cost, with a reserve of a fifth; the initial model and the run itself included.
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

/** What one round costs, without the reserve. @param epochs that blobs are kept for */
export const estimateRound = (spec: RunSpec, epochs: number, prices: WalrusPrices): Funds => {
  const { round } = runCost(storedBy(spec, 1, epochs), prices, GAS_RATES);
  return { sui: round.gas, wal: walrusOf(round) };
};

/** How many times `each` can be paid from `have`. */
export const timesCovered = (have: Funds, each: Funds): number =>
  Math.min(times(have.sui, each.sui), times(have.wal, each.wal));

const times = (owned: bigint, cost: bigint): number =>
  cost === 0n ? Infinity : Number(owned / cost);

/** What the run is paid from. */
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

/** What the coordinator of a run pays from. */
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

/** The type of WAL: what Walrus's own contract takes as stake. */
const walTypeOf = async (
  client: ClientWithCoreApi,
  walrus: WalrusClient,
  signal: AbortSignal,
): Promise<string> => {
  const { package_id: packageId } = await walrus.systemObject();
  const { function: stake } = await client.core.getMoveFunction({
    packageId,
    moduleName: 'staking',
    name: 'stake_with_pool',
    signal,
  });
  const body = stake.parameters[1]?.body;
  const coin = body?.$kind === 'datatype' ? body.datatype.typeParameters[0] : undefined;
  if (coin?.$kind !== 'datatype')
    throw new FloeError('ledger_unavailable', "Walrus's contract does not say what WAL is");
  return coin.datatype.typeName;
};

export interface Purse {
  /** What the address owns. */
  balance(): Promise<Funds>;
  prices(): Promise<WalrusPrices>;
  /** Which epoch it is, and how long one lasts. */
  epochs(): Promise<Epochs>;
  /** Asks the network's faucet, where it has one, until `needed` is there or asking does not help. @returns what is there */
  fill(needed: Funds, warn: (message: string) => void): Promise<Funds>;
}

export const covers = (have: Funds, needed: Funds): boolean =>
  have.sui >= needed.sui && have.wal >= needed.wal;

/** What is missing of `needed`. */
export const shortOf = (have: Funds, needed: Funds): Funds => ({
  sui: needed.sui > have.sui ? needed.sui - have.sui : 0n,
  wal: needed.wal > have.wal ? needed.wal - have.wal : 0n,
});

export const showFunds = ({ sui, wal }: Funds): string =>
  `${showCoins(sui)} SUI and ${showCoins(wal)} WAL`;

/** @param what is to be paid, in the plural: `5 rounds` */
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

/** One question to the chain, repeated where that can help. */
const ask = <Result>(
  what: string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> =>
  withRetry({ retries: 3 }, async () => {
    try {
      return await bounded({ timeoutMs: TIMEOUT_MS, code: 'ledger_unavailable', what }, work);
    } catch (thrown) {
      if (thrown instanceof FloeError) throw thrown;
      const message = `${what}: ${(thrown as Error).message}`;
      throw new FloeError('ledger_unavailable', message, {}, { cause: thrown });
    }
  });

/** @throws FloeError `ledger_unavailable` from every method when the chain does not answer */
export const openPurse = (network: NetworkConfig, owner: string): Purse => {
  const client = suiClientOf(network);
  const walrus = walrusClientOf(network, client);
  let walType: string | undefined;

  const balance = (): Promise<Funds> =>
    ask(`reading what ${owner} owns`, async (signal) => {
      walType ??= await walTypeOf(client, walrus, signal);
      const types = [SUI_TYPE_ARG, walType];
      const [sui = 0n, wal = 0n] = await Promise.all(
        types.map(async (coinType) => {
          const { balance: found } = await client.core.getBalance({ owner, coinType, signal });
          return BigInt(found.balance);
        }),
      );
      return { sui, wal };
    });

  /** What is there once a gift has arrived: the node that answers may lag behind the one that gave. */
  const arrived = async (before: Funds): Promise<Funds> => {
    let have = before;
    for (let pause = FIRST_LOOK_MS; pause <= LAST_LOOK_MS; pause *= 2) {
      // oxlint-disable-next-line no-await-in-loop
      have = await balance();
      if (have.sui > before.sui || have.wal > before.wal) return have;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    return have;
  };

  return {
    balance,
    epochs: () => ask("reading Walrus's epoch", (signal) => readEpochs(walrus, signal)),
    prices: () =>
      ask("reading Walrus's prices", async () => {
        // They may change with every epoch.
        walrus.reset();
        const { committee, ...state } = await walrus.systemState();
        return {
          shards: committee.n_shards,
          storagePerUnit: BigInt(state.storage_price_per_unit_size),
          writePerUnit: BigInt(state.write_price_per_unit_size),
        };
      }),
    fill: async (needed, warn) => {
      const { faucetUrl } = network;
      let have = await balance();
      if (faucetUrl === undefined) return have;
      for (let i = 0; i < FAUCET_REQUESTS; i += 1) {
        if (covers(have, needed)) return have;
        const before = have;
        try {
          // Each helping follows from what the one before left short.
          // oxlint-disable-next-line no-await-in-loop
          await requestSuiFromFaucetV2({ host: faucetUrl, recipient: owner });
        } catch (thrown) {
          warn(`the faucet ${faucetUrl} gives nothing: ${(thrown as Error).message}`);
          return have;
        }
        // oxlint-disable-next-line no-await-in-loop
        have = await arrived(before);
        const helped = (coin: keyof Funds): boolean =>
          before[coin] < needed[coin] && have[coin] > before[coin];
        if (!helped('sui') && !helped('wal')) return have;
      }
      return have;
    },
  };
};
