/**
 * @module Whether a network can be used: every service of it is asked something, each node and key
 * server for itself. What may be down without harm is counted against what Walrus and Seal
 * tolerate.
 */
import { SealClient } from '@mysten/seal';
import { showCoins } from './cost.ts';
import { StorageNodeAPIError, type WalrusClient } from '@mysten/walrus';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { suiClientOf, walrusClientOf } from './walrus/client.ts';
import { epochStart, readEpochs } from './walrus/epochs.ts';
import { FloeError, toFloeError, type ErrorCode } from '../errors.ts';
import { publicUrl, type NetworkConfig } from './config.ts';
import { chainTime } from './sui/time.ts';
import { bounded } from './sui/bounds.ts';

import { showTime } from './time-text.ts';
import { check, type Check } from '../health-checks.ts';

const TIMEOUT_MS = 10_000;
const SERVER_ERROR = 500;
/** A blob that nobody has: all zeros. */
const NO_BLOB = 'A'.repeat(43);
const AT_ONCE = 16;

export interface NetworkExamination {
  readonly network: NetworkConfig;
  /** Whose balances are shown; without it they are not. */
  readonly address?: string | undefined;
  readonly signal: AbortSignal;
}

/** Reached: any answer that is not the server's own failure. */
const answers = async (url: string, signal: AbortSignal): Promise<string> => {
  const { status, body } = await fetch(url, { signal });
  await body?.cancel();
  if (status >= SERVER_ERROR) throw new FloeError('store_unavailable', `${url} answers ${status}`);
  return url;
};

const nodeAnswers = async (
  walrus: WalrusClient,
  nodeIndex: number,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await walrus.getStorageConfirmationFromNode({
      nodeIndex,
      blobId: NO_BLOB,
      deletable: false,
      signal,
    });
    return true;
  } catch (thrown) {
    // fetch throws a TypeError where nobody listens.
    if (thrown instanceof TypeError) return false;
    if (!(thrown instanceof StorageNodeAPIError)) throw thrown;
    // Without a status there was no answer; that it has no such blob is one.
    return thrown.status !== undefined && thrown.status < SERVER_ERROR;
  }
};

/** How many shards may be silent: fewer than a third. */
const storageNodes = async (walrus: WalrusClient, signal: AbortSignal): Promise<string> => {
  const { committee } = await walrus.stakingState();
  const nodes = committee[0].contents;
  const silent: number[] = [];
  for (let at = 0; at < nodes.length; at += AT_ONCE) {
    const part = nodes.slice(at, at + AT_ONCE);
    const reached = await Promise.all(part.map((_, i) => nodeAnswers(walrus, at + i, signal)));
    reached.forEach((ok, i) => ok || silent.push(at + i));
  }
  const shards = (indices: readonly number[]): number =>
    indices.reduce((sum, index) => sum + (nodes[index]?.value.length ?? 0), 0);
  const all = shards([...nodes.keys()]);
  const lost = shards(silent);
  const tolerated = Math.floor((all - 1) / 3);
  const found =
    `${nodes.length - silent.length} of ${nodes.length} nodes answer; ` +
    `${lost} of ${all} shards silent, ${tolerated} may be`;
  if (lost > tolerated) throw new FloeError('store_unavailable', found);
  return silent.length === 0 ? found : `${found} (silent: ${silent.join(', ')})`;
};

const keyServers = async ({ seal }: NetworkConfig, client: ClientWithCoreApi): Promise<string> => {
  const reached = await Promise.all(
    seal.servers.map(async ({ objectId, weight = 1, aggregatorUrl }) => {
      // One client for each server, which has to prove that it holds the key the chain names.
      const server = new SealClient({
        suiClient: client,
        serverConfigs: [
          { objectId, weight, ...(aggregatorUrl === undefined ? {} : { aggregatorUrl }) },
        ],
        verifyKeyServers: true,
        timeout: TIMEOUT_MS,
      });
      try {
        const [known] = await server.getKeyServers();
        return { name: known?.[1].name ?? objectId, weight, reason: undefined };
      } catch (thrown) {
        return { name: objectId, weight: 0, reason: toFloeError(thrown).message };
      }
    }),
  );
  const weight = reached.reduce((sum, server) => sum + server.weight, 0);
  const failed = reached.flatMap(({ name, reason }) =>
    reason === undefined ? [] : [`${name}: ${reason}`],
  );
  const found = [
    `${reached.length - failed.length} of ${reached.length} prove their keys, ${seal.threshold} needed`,
    ...failed,
  ].join('; ');
  if (weight < seal.threshold) throw new FloeError('gate_unavailable', found);
  return found;
};

const coins = async (
  client: ClientWithCoreApi,
  owner: string,
  name: 'SUI' | 'WAL',
  signal: AbortSignal,
): Promise<string> => {
  const { balances } = await client.core.listBalances({ owner, signal });
  const suffix = name === 'SUI' ? '::sui::SUI' : '::wal::WAL';
  const sum = balances
    .filter(({ coinType }) => coinType.endsWith(suffix))
    .reduce((total, { balance }) => total + BigInt(balance), 0n);
  if (sum === 0n)
    throw new FloeError('funds_missing', `${owner} has no ${name}; uploads and freezes cost it`);
  return `${owner} has ${showCoins(sum)} ${name}`;
};

/** Asks everything, one after the other. */
export const examineNetwork = async ({
  network,
  address,
  signal: stop,
}: NetworkExamination): Promise<Check[]> => {
  const client = suiClientOf(network);
  const walrus = walrusClientOf(network, client);
  const { relayUrl, aggregatorUrl } = network.walrus;
  type Try = readonly [
    name: string,
    needed: boolean,
    code: ErrorCode,
    work: (signal: AbortSignal) => Promise<string>,
  ];
  const tries: readonly Try[] = [
    [
      'sui',
      true,
      'ledger_unavailable',
      async (signal) => {
        const { chainIdentifier } = await client.core.getChainIdentifier({ signal });
        return `${publicUrl(network.rpcUrl)}, chain ${chainIdentifier}`;
      },
    ],
    [
      'floe package',
      true,
      'ledger_unavailable',
      async (signal) => {
        const packageId = network.floe?.packageId;
        if (packageId === undefined)
          throw new FloeError('spec_invalid', 'none is named; floe publish puts it there');
        const entry = { packageId, moduleName: 'policy', name: 'seal_approve_cohort', signal };
        await client.core.getMoveFunction(entry);
        return packageId;
      },
    ],
    [
      'walrus',
      true,
      'store_unavailable',
      async () => {
        const { committee, storage_price_per_unit_size: price } = await walrus.systemState();
        const now = await readEpochs(walrus);
        const end = showTime(epochStart(now, now.epoch + 1));
        return `epoch ${now.epoch} until about ${end}, ${committee.n_shards} shards, ${price} FROST for a MiB and epoch`;
      },
    ],
    ['storage nodes', true, 'store_unavailable', (signal) => storageNodes(walrus, signal)],
    ...(relayUrl === undefined
      ? []
      : [
          [
            'upload relay',
            true,
            'store_unavailable',
            (signal: AbortSignal) => answers(new URL('/v1/tip-config', relayUrl).href, signal),
          ] as const,
        ]),
    ...(aggregatorUrl === undefined
      ? []
      : [
          [
            'aggregator',
            false,
            'store_unavailable',
            (signal: AbortSignal) => answers(new URL('/v1/blobs/none', aggregatorUrl).href, signal),
          ] as const,
        ]),
    ['key servers', true, 'gate_unavailable', () => keyServers(network, client)],
    ...(address === undefined
      ? []
      : (['SUI', 'WAL'] as const).map((name): Try => [
          name,
          true,
          'ledger_unavailable',
          (signal) => coins(client, address, name, signal),
        ])),
  ];
  const checks: Check[] = [];
  for (const [name, needed, code, work] of tries) {
    stop.throwIfAborted();
    const bounds = { timeoutMs: 2 * TIMEOUT_MS, signal: stop, code, what: name };
    // One after the other, so that the first that fails is the cause of the others.
    checks.push(await check(name, needed, () => bounded(bounds, work)));
  }
  return checks;
};

/**
 * What the chain's newest checkpoint shows, ms since 1970. @throws FloeError `ledger_unavailable`
 */
export const chainTimeOf = (network: NetworkConfig, signal: AbortSignal): Promise<number> =>
  chainTime(suiClientOf(network), signal);
