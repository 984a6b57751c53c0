/**
 * @module What an address owns on a network, the prices of Walrus there, and its faucet.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { SUI_TYPE_ARG } from '@mysten/sui/utils';
import type { WalrusClient } from '@mysten/walrus';
import { FloeError } from '../errors.ts';
import { sleep, systemClock, type Clock } from '../ports/clock.ts';
import { publicUrl, type NetworkConfig } from './config.ts';
import type { WalrusPrices } from './cost.ts';
import { bounded, withRetry } from './sui/bounds.ts';
import { askFaucet } from './sui/faucet.ts';
import { suiClientOf, walrusClientOf } from './walrus/client.ts';
import { readEpochs, type Epochs } from './walrus/epochs.ts';

/** MIST of SUI, FROST of WAL. */
export interface Funds {
  readonly sui: bigint;
  readonly wal: bigint;
}

export interface Purse {
  /** What the address owns. */
  balance(): Promise<Funds>;
  prices(): Promise<WalrusPrices>;
  /** Which epoch it is, and how long one lasts. */
  epochs(): Promise<Epochs>;
  /**
   * Asks the network's faucet, where it has one, until `needed` is there or asking does not help.
   * @returns what is there
   */
  fill(needed: Funds, warn: (message: string) => void): Promise<Funds>;
  /**
   * Asks the network's faucet once.
   * @throws FloeError `faucet_missing`, `faucet_refused` with the faucet's words
   */
  ask(): Promise<{ readonly before: Funds; readonly after: Funds }>;
}

const TIMEOUT_MS = 20_000;
const FAUCET_REQUESTS = 5;
/** How long coins from a faucet are looked for: some six seconds. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 3_200;

export const covers = (have: Funds, needed: Funds): boolean =>
  have.sui >= needed.sui && have.wal >= needed.wal;

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

/** The words of an error, without the user name and password of an address. */
const wordsOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).replaceAll(/\/\/[^/@\s]*@/gu, '//');

/** @throws FloeError `ledger_unavailable` from every method when the chain does not answer */
export const openPurse = (
  network: NetworkConfig,
  owner: string,
  clock: Clock = systemClock,
): Purse => {
  const client = suiClientOf(network);
  const walrus = walrusClientOf(network, client);
  let walType: string | undefined;

  /** One question to the chain, repeated where that can help. */
  const ask = <Result>(
    what: string,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> =>
    withRetry({ retries: 3, clock }, async () => {
      const bounds = { timeoutMs: TIMEOUT_MS, code: 'ledger_unavailable', what, clock } as const;
      try {
        return await bounded(bounds, work);
      } catch (thrown) {
        if (thrown instanceof FloeError) throw thrown;
        const message = `${what}: ${(thrown as Error).message}`;
        throw new FloeError('ledger_unavailable', message, {}, { cause: thrown });
      }
    });

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

  /**
   * What is there once a gift has arrived: the node that answers may lag behind the one that gave.
   */
  const arrived = async (before: Funds): Promise<Funds> => {
    let have = before;
    for (let pause = FIRST_LOOK_MS; pause <= LAST_LOOK_MS; pause *= 2) {
      have = await balance();
      if (have.sui > before.sui || have.wal > before.wal) return have;
      await sleep(clock, pause);
    }
    return have;
  };

  const fill: Purse['fill'] = async (needed, warn) => {
    const { faucetUrl } = network;
    let have = await balance();
    if (faucetUrl === undefined) return have;
    for (let i = 0; i < FAUCET_REQUESTS; i += 1) {
      if (covers(have, needed)) return have;
      const before = have;
      try {
        // Each helping follows from what the one before left short.
        await askFaucet(faucetUrl, owner);
      } catch (thrown) {
        warn(`the faucet ${publicUrl(faucetUrl)} gives nothing: ${wordsOf(thrown)}`);
        return have;
      }
      have = await arrived(before);
      const helped = (coin: keyof Funds): boolean =>
        before[coin] < needed[coin] && have[coin] > before[coin];
      if (!helped('sui') && !helped('wal')) return have;
    }
    return have;
  };

  const askOnce: Purse['ask'] = async () => {
    const { faucetUrl } = network;
    if (faucetUrl === undefined)
      throw new FloeError('faucet_missing', 'the network has no faucet', { address: owner });
    const before = await balance();
    try {
      await bounded(
        { timeoutMs: TIMEOUT_MS, code: 'faucet_refused', what: 'asking the faucet', clock },
        () => askFaucet(faucetUrl, owner),
      );
    } catch (thrown) {
      if (thrown instanceof FloeError) throw thrown;
      const message = `the faucet ${publicUrl(faucetUrl)} gives nothing: ${wordsOf(thrown)}`;
      throw new FloeError('faucet_refused', message, { address: owner }, { cause: thrown });
    }
    return { before, after: await arrived(before) };
  };

  return {
    balance,
    fill,
    ask: askOnce,
    epochs: () => ask("reading Walrus's epoch", (signal) => readEpochs(walrus, { signal, clock })),
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
  };
};
