/**
 * @module A network in one process: Sui over gRPC-Web with a faucet, Walrus with its storage nodes, relay, publisher and
 * aggregator, Seal with its key servers. The SDKs of Mysten Labs run on it unmodified; going to testnet is another
 * `NetworkConfig`.
 */
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { WalrusClient } from '@mysten/walrus';
import { FloeError } from '../protocol/errors.ts';
import { Chain } from './chain/chain.ts';
import { evaluate } from './chain/dry-run.ts';
import { grpcWebHandler } from './chain/grpc-web.ts';
import { suiHandlers } from './chain/rpc.ts';
import { completeOptions, type DevnetOptions, type NetworkConfig } from './config.ts';
import { installContract, installFramework } from './contracts.ts';
import { faucetHandler, fund } from './faucet.ts';
import { controlHandler, Faults } from './faults.ts';
import { allCoins, coinInfos, publishImmutable } from './genesis.ts';
import { startHttpServer, type HttpHandler, type RunningServer } from './http.ts';
import { localFetch } from './local-fetch.ts';
import { compiledContracts, createVmWithFramework } from './move/index.ts';
import { TaskQueue } from './queue.ts';
import { keyServerObjects } from './seal/contract.ts';
import { masterPublicKey } from './seal/ibe.ts';
import { BODY_LIMIT, keyServerHandler, VERSION_HEADER } from './seal/key-server.ts';
import { Requesters } from './seal/requesters.ts';
import { deriveId, deriveKeypair, deriveScalar, seedBytes } from './seeds.ts';
import { SnapshotFolder } from './snapshot/folder.ts';
import { Aggregator } from './walrus/aggregator.ts';
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
import { publisherHandler, relayHandler } from './walrus/services.ts';
import { StorageNode } from './walrus/storage-node.ts';
import { BlobVault } from './walrus/vault.ts';

export type { DevnetOptions, DevnetPorts, NetworkConfig, PublishablePackage } from './config.ts';
export type { Faults, FaultCommand } from './faults.ts';
export { parseFault } from './faults.ts';

/** A running devnet. */
export interface Devnet {
  readonly config: NetworkConfig;
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
  /** Brings the snapshot up to date, if one was configured that may be written. Tens of milliseconds. */
  save(): Promise<void>;
  /** Saves, then closes every socket. */
  stop(): Promise<void>;
}

const RPC_BODY_LIMIT = 8 * 1024 * 1024;
const SMALL_BODY_LIMIT = 64 * 1024;
/** The `index`-th port from the first one, if one was given. */
const next = (first: number | undefined, index: number): number | undefined =>
  first === undefined || first === 0 ? undefined : first + index;

/**
 * Starts a devnet on 127.0.0.1.
 *
 * @throws {FloeError} usage for impossible options or other ones than the snapshot's, data_malformed for a snapshot that is
 * damaged or of another format; the socket's error when a port is taken.
 */
export const startDevnet = async (options: DevnetOptions = {}): Promise<Devnet> => {
  const folder =
    options.snapshot === undefined ? undefined : await SnapshotFolder.open(options.snapshot);
  if (options.readOnly === true && folder?.settings === undefined)
    throw new FloeError(
      'data_malformed',
      `expected a devnet snapshot to read, found none in ${options.snapshot ?? 'no folder'}`,
    );
  const all = completeOptions(options, folder?.settings);
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
  const vault = new BlobVault(shards);
  const isResumed = folder?.settings !== undefined;

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
    const holders = await folder?.restore({ chain, vault });
    const registry = new BlobRegistry(
      chain,
      walrus.packageId,
      isResumed ? walrusEpoch(chain, walrus) : 1,
    );
    registry.onCertified = (blobId) => vault.certified(blobId);
    const nodes: { node: StorageNode; server: RunningServer }[] = [];
    for (const { index, shards: own, secretKey } of identities) {
      const node = new StorageNode({
        index,
        shards: own,
        secretKey,
        registry,
        vault,
        sliverChecks: all.sliverChecks,
        now: () => chain.timeMs,
      });
      for (const [blobId, by] of holders ?? []) if (by.includes(index)) node.adopt(blobId);
      nodes.push({ node, server: await start(node.handle, next(ports.nodes, index), sliverLimit) });
    }
    const addresses = nodes.map(({ server }) => `127.0.0.1:${server.port}`);
    if (isResumed) chain.write(poolAddresses(chain, identities, addresses));
    else {
      chain.write([
        ...allCoins(seed, wal, faucetKey.toSuiAddress()),
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
      const handler = keyServerHandler({
        chain,
        evaluate: (programmable, sender) => evaluate(chain, programmable, sender),
        objectId,
        secretKey,
        now,
        requesters,
      });
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
    const byOrigin = new Map([rpc, ...nodes.map(({ server }) => server)].map((to) => [to.url, to]));
    const fetch = localFetch((origin) => byOrigin.get(origin));
    const suiClient = new SuiGrpcClient({ network: 'localnet', baseUrl: rpc.url, fetch });
    const walrusClient = (): WalrusClient =>
      new WalrusClient({
        suiClient,
        packageConfig: {
          systemObjectId: walrus.systemObjectId,
          stakingPoolId: walrus.stakingPoolId,
        },
        storageNodeUrlScheme: 'http',
        storageNodeClientOptions: { fetch },
      });
    const clients = {
      relay: walrusClient(),
      publisher: walrusClient(),
      aggregator: walrusClient(),
    };
    const aggregator = new Aggregator({
      walrus: clients.aggregator,
      vault,
      registry,
      // Shards are dealt round robin.
      serverOf: (shard) => nodes[shard % all.nodes]?.server,
    });
    const blobLimit = maxBlobBytes + 1_024;
    const relay = await start(
      relayHandler({
        walrus: clients.relay,
        vault,
        registry,
        keys: identities.map(({ publicKey }) => publicKey),
      }),
      ports.relay,
      blobLimit,
    );
    const faucetQueue = new TaskQueue();
    const faults = new Faults({
      chain,
      rpc,
      relay,
      nodes,
      keyServers,
      registry,
      walrus,
      onStorage: () => aggregator.clear(),
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
    const aggregatorServer = await start(aggregator.handle, ports.aggregator, SMALL_BODY_LIMIT);
    if (!isResumed)
      await faucetQueue.run(() => fund(chain, faucetKey, wal, publisherKey.toSuiAddress()));
    const { floePackage } = all;
    const floePackageId =
      folder?.floePackageId ??
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
        aggregatorUrl: aggregatorServer.url,
      },
      seal: { packageId: sealPackageId, servers: sealServers, threshold: all.sealThreshold },
      ...(floePackageId === undefined ? {} : { floe: { packageId: floePackageId } }),
    };
    const { nodes: nodeCount, shardsPerNode, sealServers: serverCount, sealThreshold } = all;
    const target = all.readOnly === true ? undefined : folder;
    const save = async (): Promise<void> =>
      target?.save(
        { chain, vault },
        {
          seed: all.seed,
          nodes: nodeCount,
          shardsPerNode,
          sealServers: serverCount,
          sealThreshold,
        },
        floePackageId,
      );
    return {
      config,
      faults,
      chain,
      nodes: nodes.map(({ node }) => node),
      vault,
      aggregator,
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
