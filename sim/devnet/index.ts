/**
 * @module A network in one process: Sui over gRPC-Web with a faucet, Walrus with its storage nodes, relay, publisher and
 * aggregator, Seal with its key servers. The SDKs of Mysten Labs run on it unmodified; going to testnet is another
 * `NetworkConfig`.
 */
import { normalizeStructTag } from '@mysten/sui/utils';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import type { Transaction } from '@mysten/sui/transactions';
import { WalrusClient } from '@mysten/walrus';
import { FloeError } from '../../protocol/errors.ts';
import { Chain, type SystemObject } from './chain/chain.ts';
import { coinType, SUI_COIN, SUI_TYPE } from './chain/commands.ts';
import { grpcWebHandler } from './chain/grpc-web.ts';
import { addressBytes, u64le } from './chain/objects.ts';
import { suiHandlers, type CoinInfo } from './chain/rpc.ts';
import { DEFAULTS, type DevnetOptions, type NetworkConfig } from './config.ts';
import { installContract, installFramework } from './contracts.ts';
import { executeOwn, faucetHandler, fund } from './faucet.ts';
import { controlHandler, Faults } from './faults.ts';
import { startHttpServer, type HttpHandler, type RunningServer } from './http.ts';
import { compiledContracts, createVmWithFramework, moduleBytes } from './move/index.ts';
import { TaskQueue } from './queue.ts';
import { keyServerObjects } from './seal/contract.ts';
import { masterPublicKey } from './seal/ibe.ts';
import { BODY_LIMIT, keyServerHandler, VERSION_HEADER } from './seal/key-server.ts';
import { Requesters } from './seal/requesters.ts';
import { deriveId, deriveKeypair, deriveScalar, seedBytes } from './seeds.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import {
  nodeIdentities,
  poolAddresses,
  walrusEpoch,
  walrusGenesis,
  walrusIds,
  walType,
} from './walrus/contract.ts';
import { maxBlobSize } from './walrus/layout.ts';
import { BlobRegistry } from './walrus/registry.ts';
import { aggregatorHandler, publisherHandler, relayHandler } from './walrus/services.ts';
import { StorageNode } from './walrus/storage-node.ts';

export type { DevnetOptions, DevnetPorts, NetworkConfig, PublishablePackage } from './config.ts';
export type { Faults, FaultCommand } from './faults.ts';
export { parseFault } from './faults.ts';

/** A running devnet. */
export interface Devnet {
  readonly config: NetworkConfig;
  readonly faults: Faults;
  readonly chain: Chain;
  readonly nodes: readonly StorageNode[];
  /** Where each storage node answers. */
  readonly nodeUrls: readonly string[];
  /** The largest blob in bytes that this committee can hold. */
  readonly maxBlobBytes: number;
  /** Writes the snapshot, if one was configured. */
  save(): Promise<void>;
  /** Saves, then closes every socket. */
  stop(): Promise<void>;
}

const RPC_BODY_LIMIT = 8 * 1024 * 1024;
const SMALL_BODY_LIMIT = 64 * 1024;
/** All SUI and all WAL there is, in MIST and FROST: the faucet's at genesis. */
const SUPPLY = 4_000_000_000_000_000_000n;

const coinObject = (id: string, type: string, owner: string): SystemObject => ({
  id,
  objectType: type,
  contents: Buffer.concat([addressBytes(id), u64le(SUPPLY)]),
  owner: { type: 'address', address: owner },
  hasPublicTransfer: true,
});

const coinInfos = (wal: string): ReadonlyMap<string, CoinInfo> =>
  new Map([
    [
      normalizeStructTag(SUI_TYPE),
      { decimals: 9, name: 'Sui', symbol: 'SUI', description: 'Gas of this devnet' },
    ],
    [
      normalizeStructTag(wal),
      { decimals: 9, name: 'WAL', symbol: 'WAL', description: 'Pays for storage on this devnet' },
    ],
  ]);

const settings = (options: DevnetOptions) => {
  const all = { ...DEFAULTS, ...options };
  if (!Number.isInteger(all.nodes) || all.nodes < 4)
    throw new FloeError('usage', `expected at least 4 storage nodes, got ${all.nodes}`);
  if (!Number.isInteger(all.shardsPerNode) || all.shardsPerNode < 1)
    throw new FloeError('usage', `expected at least 1 shard per node, got ${all.shardsPerNode}`);
  if (all.nodes * all.shardsPerNode > 1_000)
    throw new FloeError('usage', 'expected at most 1000 shards');
  if (all.sealThreshold < 1 || all.sealThreshold > all.sealServers)
    throw new FloeError(
      'usage',
      `expected a threshold in 1..${all.sealServers}, got ${all.sealThreshold}`,
    );
  return all;
};

/** The `index`-th port from the first one, if one was given. */
const next = (first: number | undefined, index: number): number | undefined =>
  first === undefined || first === 0 ? undefined : first + index;

/**
 * Starts a devnet on 127.0.0.1.
 *
 * @throws {FloeError} usage for impossible options; the socket's error when a port is taken.
 */
export const startDevnet = async (options: DevnetOptions = {}): Promise<Devnet> => {
  const all = settings(options);
  const seed = seedBytes(all.seed);
  const now = all.now ?? Date.now;
  const ports = all.ports ?? {};
  const chain = new Chain({ vm: createVmWithFramework(), now, seed });
  const walrus = walrusIds(seed);
  const wal = walType(walrus);
  const sealPackageId = deriveId(seed, 'seal package');
  const shards = all.nodes * all.shardsPerNode;
  const maxBlobBytes = maxBlobSize(shards);
  const sliverLimit = Math.max(2 * 1024 * 1024, shards * 65_536 + 1_024);
  const faucetKey = deriveKeypair(seed, 'faucet');
  const publisherKey = deriveKeypair(seed, 'publisher');
  const saved = all.snapshot === undefined ? undefined : await readSnapshot(all.snapshot);

  installFramework(chain);
  const contracts = compiledContracts();
  installContract(chain, walrus.packageId, contracts.walrus);
  installContract(chain, sealPackageId, contracts.seal);
  const identities = nodeIdentities(seed, all.nodes, all.shardsPerNode);
  const servers: RunningServer[] = [];
  const start = async (
    handler: HttpHandler,
    port: number | undefined,
    bodyLimit: number,
    exposeHeaders: readonly string[] = [],
  ): Promise<RunningServer> => {
    const server = await startHttpServer(handler, {
      bodyLimit,
      exposeHeaders,
      ...(port === undefined ? {} : { port }),
    });
    servers.push(server);
    return server;
  };

  try {
    if (saved) saved.restore(chain);
    const registry = new BlobRegistry(
      chain,
      walrus.packageId,
      saved ? walrusEpoch(chain, walrus) : 1,
    );
    const nodes: { node: StorageNode; server: RunningServer }[] = [];
    for (const { index, shards: own, secretKey } of identities) {
      const node = new StorageNode({
        index,
        shards: own,
        totalShards: shards,
        secretKey,
        registry,
        sliverChecks: all.sliverChecks,
        now: () => chain.timeMs,
      });
      saved?.fillNode(node, index);
      nodes.push({ node, server: await start(node.handle, next(ports.nodes, index), sliverLimit) });
    }
    const addresses = nodes.map(({ server }) => `127.0.0.1:${server.port}`);
    if (saved) chain.write(poolAddresses(chain, identities, addresses));
    else {
      chain.write([
        coinObject(deriveId(seed, 'all SUI'), SUI_COIN, faucetKey.toSuiAddress()),
        coinObject(deriveId(seed, 'all WAL'), coinType(wal), faucetKey.toSuiAddress()),
        ...walrusGenesis({
          seed,
          ids: walrus,
          nodes: identities,
          addresses,
          prices: all.prices,
          nowMs: chain.timeMs,
        }),
      ]);
    }

    const sealServers: { objectId: string; url: string }[] = [];
    const keyServers: RunningServer[] = [];
    const requesters = new Requesters(all.sealThreshold);
    for (let index = 0; index < all.sealServers; index += 1) {
      const objectId = deriveId(seed, `seal server ${index}`);
      const secretKey = deriveScalar(seed, `seal master key ${index}`);
      const handler = keyServerHandler({ chain, objectId, secretKey, now, requesters });
      const server = await start(handler, next(ports.seal, index), BODY_LIMIT, [VERSION_HEADER]);
      keyServers.push(server);
      sealServers.push({ objectId, url: server.url });
      chain.write(
        keyServerObjects({
          packageId: sealPackageId,
          objectId,
          name: `devnet-${index}`,
          url: server.url,
          publicKey: masterPublicKey(secretKey),
        }),
      );
    }

    const rpc = await start(
      grpcWebHandler(suiHandlers(chain, coinInfos(wal))),
      ports.rpc,
      RPC_BODY_LIMIT,
    );
    const suiClient = new SuiGrpcClient({ network: 'localnet', baseUrl: rpc.url });
    const walrusClient = (): WalrusClient =>
      new WalrusClient({
        suiClient,
        packageConfig: {
          systemObjectId: walrus.systemObjectId,
          stakingPoolId: walrus.stakingPoolId,
        },
        storageNodeUrlScheme: 'http',
      });
    const clients = {
      relay: walrusClient(),
      publisher: walrusClient(),
      aggregator: walrusClient(),
    };
    const faucetQueue = new TaskQueue();
    const faults = new Faults({
      chain,
      rpc,
      nodes,
      keyServers,
      registry,
      walrus,
      onEpoch: () => Object.values(clients).forEach((client) => client.reset()),
    });
    const faucet = await start(
      faucetHandler({
        chain,
        signer: faucetKey,
        wal,
        queue: faucetQueue,
        next: controlHandler(faults),
      }),
      ports.faucet,
      SMALL_BODY_LIMIT,
    );
    const blobLimit = maxBlobBytes + 1_024;
    const relay = await start(relayHandler(clients.relay), ports.relay, blobLimit);
    const publisher = await start(
      publisherHandler({
        walrus: clients.publisher,
        suiClient,
        signer: publisherKey,
        queue: new TaskQueue(),
        registry,
      }),
      ports.publisher,
      blobLimit + 1_048_576,
    );
    const aggregator = await start(
      aggregatorHandler(clients.aggregator),
      ports.aggregator,
      SMALL_BODY_LIMIT,
    );
    if (!saved)
      await faucetQueue.run(() => fund(chain, faucetKey, wal, publisherKey.toSuiAddress()));
    const { floePackage } = all;
    const floePackageId =
      saved?.floePackageId ??
      (floePackage &&
        (await faucetQueue.run(() => publishImmutable(chain, faucetKey, floePackage))));

    const config: NetworkConfig = {
      rpcUrl: rpc.url,
      faucetUrl: faucet.url,
      walrus: {
        systemObjectId: walrus.systemObjectId,
        stakingPoolId: walrus.stakingPoolId,
        relayUrl: relay.url,
        publisherUrl: publisher.url,
        aggregatorUrl: aggregator.url,
      },
      seal: { packageId: sealPackageId, servers: sealServers, threshold: all.sealThreshold },
      ...(floePackageId === undefined ? {} : { floe: { packageId: floePackageId } }),
    };
    const storageNodes = nodes.map(({ node }) => node);
    const save = async (): Promise<void> => {
      if (all.snapshot !== undefined)
        await writeSnapshot(all.snapshot, chain, storageNodes, floePackageId);
    };
    return {
      config,
      faults,
      chain,
      nodes: storageNodes,
      nodeUrls: nodes.map(({ server }) => server.url),
      maxBlobBytes,
      save,
      stop: async () => {
        registry.stop();
        await Promise.all(servers.map((server) => server.stop()));
        await save();
      },
    };
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()));
    throw error;
  }
};

/** Publishes a package and destroys its upgrade capability in one transaction; gives its id. */
const publishImmutable = async (
  chain: Chain,
  signer: ReturnType<typeof deriveKeypair>,
  { modules, dependencies }: NonNullable<DevnetOptions['floePackage']>,
): Promise<string> => {
  const budget = 5_000_000_000n;
  const record = await executeOwn(
    chain,
    signer,
    (transaction: Transaction) => {
      const capability = transaction.publish({
        modules: moduleBytes(modules).map((bytes) => [...bytes]),
        dependencies: [...dependencies],
      });
      transaction.moveCall({ target: '0x2::package::make_immutable', arguments: [capability] });
    },
    budget,
  );
  const published = (record.executed.effects?.changedObjects ?? []).find(
    ({ objectType }) => objectType === 'package',
  );
  if (!published?.objectId) throw new FloeError('internal', 'the package was not published');
  return published.objectId;
};
