/**
 * @module Starts a devnet: the chain from its seed or from a snapshot, then the servers, then the
 * packages to publish.
 */
import { Chain } from './chain/chain.ts';
import { grpcWebHandler } from './chain/grpc-web.ts';
import { suiHandlers } from './chain/rpc.ts';
import {
  completeOptions,
  type CompleteOptions,
  type DevnetConfig,
  type DevnetOptions,
} from './config.ts';
import { DevnetError } from './errors.ts';
import { faucetHandler, fund } from './faucet.ts';
import { controlHandler, Faults } from './faults.ts';
import {
  allCoins,
  coinInfos,
  installContract,
  installFramework,
  publishImmutable,
} from './genesis.ts';
import { compiledContracts, createVmWithFramework } from './move/index.ts';
import { TaskQueue } from './queue.ts';
import { startKeyServers, type KeyServer } from './seal/start.ts';
import { deriveId, deriveKeypair, seedBytes } from './seeds.ts';
import { createServerGroup, type ServerGroup } from './servers.ts';
import { SnapshotFolder } from './snapshot/folder.ts';
import type { Aggregator } from './walrus/aggregator.ts';
import {
  nodeIdentities,
  poolAddresses,
  walrusEpoch,
  walrusGenesis,
  walrusIds,
  walType,
  type NodeIdentity,
  type WalrusIds,
} from './walrus/contract.ts';
import { maxBlobSize } from './walrus/layout.ts';
import { BlobRegistry } from './walrus/registry.ts';
import {
  startStorageNodes,
  startWalrusServices,
  type NodeServer,
  type WalrusServices,
} from './walrus/start.ts';
import type { StorageNode } from './walrus/storage-node.ts';
import { BlobVault } from './walrus/vault.ts';

/** A running devnet. */
export interface Devnet {
  readonly config: DevnetConfig;
  readonly faults: Faults;
  readonly chain: Chain;
  readonly nodes: readonly StorageNode[];
  /** What the nodes keep together. */
  readonly vault: BlobVault;
  readonly aggregator: Aggregator;
  /** Where each storage node answers. */
  readonly nodeUrls: readonly string[];
  /** The largest blob in bytes that this committee can hold. */
  readonly maxBlobBytes: number;
  /**
   * Brings the snapshot up to date, if one was configured that may be written. Tens of
   * milliseconds.
   */
  save(): Promise<void>;
  /**
   * Saves, and keeps this state by a number while the devnet continues: another process can go on
   * from it (`pinned`), whatever ended this one. The two newest are kept. `unpin` forgets them.
   */
  pin(number: number): Promise<void>;
  unpin(): Promise<void>;
  /** Saves, then closes every socket. */
  stop(): Promise<void>;
}

const RPC_BODY_LIMIT = 8 * 1024 * 1024;
const FAUCET_BODY_LIMIT = 64 * 1024;

/** Everything of a devnet that follows from its options, before any server runs. */
interface Ground {
  readonly options: CompleteOptions;
  readonly folder: SnapshotFolder | undefined;
  readonly isResumed: boolean;
  readonly seed: Uint8Array;
  readonly now: () => number;
  readonly chain: Chain;
  readonly vault: BlobVault;
  readonly walrus: WalrusIds;
  readonly sealPackageId: string;
  readonly identities: readonly NodeIdentity[];
}

/** The chain with its contracts, in memory. */
const layGround = (options: CompleteOptions, folder: SnapshotFolder | undefined): Ground => {
  const seed = seedBytes(options.seed);
  const now = options.now ?? Date.now;
  const chain = new Chain({ vm: createVmWithFramework(), now, seed });
  const walrus = walrusIds(seed);
  const sealPackageId = deriveId(seed, 'seal package');
  installFramework(chain);
  const contracts = compiledContracts();
  installContract(chain, walrus.packageId, contracts.walrus);
  installContract(chain, sealPackageId, contracts.seal);
  return {
    options,
    folder,
    isResumed: folder?.settings !== undefined,
    seed,
    now,
    chain,
    vault: new BlobVault(options.nodes * options.shardsPerNode),
    walrus,
    sealPackageId,
    identities: nodeIdentities(seed, options.nodes, options.shardsPerNode),
  };
};

/**
 * Genesis, or what a snapshot does not hold: the addresses at which the storage nodes answer now.
 */
const writeGenesis = (ground: Ground, nodes: readonly NodeServer[], owner: string): void => {
  const { options, isResumed, seed, chain, walrus, identities } = ground;
  const addresses = nodes.map(({ server }) => `127.0.0.1:${server.port}`);
  if (isResumed) {
    chain.write(poolAddresses(chain, identities, addresses));
    return;
  }
  chain.write([
    ...allCoins(seed, walType(walrus), owner),
    ...walrusGenesis({
      seed,
      ids: walrus,
      nodes: identities,
      addresses,
      prices: options.prices,
      nowMs: chain.timeMs,
    }),
  ]);
};

const configOf = (
  { walrus, sealPackageId, options }: Ground,
  urls: { readonly rpcUrl: string; readonly faucetUrl: string },
  services: WalrusServices,
  keyServers: readonly KeyServer[],
  packages: Readonly<Record<string, string>>,
): DevnetConfig => ({
  ...urls,
  walrus: {
    systemObjectId: walrus.systemObjectId,
    stakingPoolId: walrus.stakingPoolId,
    relayUrl: services.relay.url,
    publisherUrl: services.publisher.url,
    aggregatorUrl: services.aggregatorServer.url,
  },
  seal: {
    packageId: sealPackageId,
    servers: keyServers.map(({ objectId, server }) => ({ objectId, url: server.url })),
    threshold: options.sealThreshold,
  },
  packages,
});

/** Writes the snapshot, unless there is none or it is only read. */
const saver = (
  { folder, options, chain, vault }: Ground,
  packages: Readonly<Record<string, string>>,
): ((pin?: number) => Promise<void>) => {
  const { seed, nodes, shardsPerNode, sealServers, sealThreshold } = options;
  const settings = { seed, nodes, shardsPerNode, sealServers, sealThreshold };
  return async (pin) => {
    if (options.readOnly !== true) await folder?.save({ chain, vault }, settings, packages, pin);
  };
};

const startAll = async (ground: Ground, servers: ServerGroup): Promise<Devnet> => {
  const { options, folder, isResumed, seed, chain, vault, walrus } = ground;
  const { ports } = options;
  const wal = walType(walrus);
  const faucetKey = deriveKeypair(seed, 'faucet');
  const publisherKey = deriveKeypair(seed, 'publisher');

  const holders = await folder?.restore({ chain, vault });
  const epoch = isResumed ? walrusEpoch(chain, walrus) : 1;
  const registry = new BlobRegistry(chain, walrus.packageId, epoch);
  registry.onCertified = (blobId) => vault.certified(blobId);
  const init = { ...ground, servers, registry };
  const nodes = await startStorageNodes(init, holders ?? new Map());
  writeGenesis(ground, nodes, faucetKey.toSuiAddress());
  const keyServers = await startKeyServers({ ...init, packageId: ground.sealPackageId });
  const rpc = await servers.start(grpcWebHandler(suiHandlers(chain, coinInfos(wal))), {
    bodyLimit: RPC_BODY_LIMIT,
    port: ports?.rpc,
  });
  const services = await startWalrusServices(init, { rpc, nodes, ids: walrus, publisherKey });
  const faults = new Faults({
    chain,
    rpc,
    relay: services.relay,
    nodes,
    keyServers: keyServers.map(({ server }) => server),
    registry,
    walrus,
    onStorage: () => services.aggregator.clear(),
    onEpoch: () => services.reset(),
  });
  const queue = new TaskQueue();
  const faucet = await servers.start(
    faucetHandler({ chain, signer: faucetKey, wal, queue, next: controlHandler(faults) }),
    { bodyLimit: FAUCET_BODY_LIMIT, port: ports?.faucet },
  );

  if (!isResumed) await queue.run(() => fund(chain, faucetKey, wal, publisherKey.toSuiAddress()));
  const packages: Record<string, string> = { ...folder?.packages };
  for (const [name, compiled] of Object.entries(options.packages))
    packages[name] ??= await queue.run(() => publishImmutable(chain, faucetKey, compiled));

  const save = saver(ground, packages);
  const urls = { rpcUrl: rpc.url, faucetUrl: faucet.url };
  return {
    config: configOf(ground, urls, services, keyServers, packages),
    faults,
    chain,
    nodes: nodes.map(({ node }) => node),
    vault,
    aggregator: services.aggregator,
    nodeUrls: nodes.map(({ server }) => server.url),
    maxBlobBytes: maxBlobSize(vault.shards),
    save: () => save(),
    pin: (number) => save(number),
    unpin: async () => {
      if (options.readOnly !== true) await folder?.unpin();
    },
    stop: async () => {
      registry.stop();
      await servers.stop();
      try {
        await save();
      } finally {
        vault.close();
      }
    },
  };
};

/**
 * Starts a devnet on 127.0.0.1.
 *
 * @throws {DevnetError} `option_invalid` for impossible options or other ones than the snapshot's,
 * `snapshot_invalid` for a snapshot that is damaged or of another format, `port_taken`.
 */
export const startDevnet = async (options: DevnetOptions = {}): Promise<Devnet> => {
  const folder =
    options.snapshot === undefined
      ? undefined
      : await SnapshotFolder.open(options.snapshot, options.pinned);
  if (options.readOnly === true && folder?.settings === undefined)
    throw new DevnetError(
      'snapshot_invalid',
      `expected a devnet snapshot to read, found none in ${options.snapshot ?? 'no folder'}`,
    );
  const ground = layGround(completeOptions(options, folder?.settings), folder);
  const servers = createServerGroup();
  try {
    return await startAll(ground, servers);
  } catch (error) {
    await servers.stop();
    ground.vault.close();
    throw error;
  }
};
