/**
 * @module Starts the servers of Walrus: the storage nodes, and in front of them upload relay,
 * publisher and aggregator, which use the Walrus SDK like any client, without sockets.
 */
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { WalrusClient } from '@mysten/walrus';
import type { Chain } from '../chain/chain.ts';
import type { CompleteOptions } from '../config.ts';
import type { RunningServer } from '../http.ts';
import { localFetch } from '../local-fetch.ts';
import { TaskQueue } from '../queue.ts';
import { nthPort, type ServerGroup } from '../servers.ts';
import { Aggregator } from './aggregator.ts';
import type { NodeIdentity, WalrusIds } from './contract.ts';
import { maxBlobSize } from './layout.ts';
import type { BlobRegistry } from './registry.ts';
import { publisherHandler, relayHandler } from './services.ts';
import { StorageNode } from './storage-node.ts';
import type { BlobVault } from './vault.ts';

/** A storage node and where it answers. */
export interface NodeServer {
  readonly node: StorageNode;
  readonly server: RunningServer;
}

interface Init {
  readonly options: CompleteOptions;
  readonly servers: ServerGroup;
  readonly chain: Chain;
  readonly registry: BlobRegistry;
  readonly vault: BlobVault;
  readonly identities: readonly NodeIdentity[];
}

/** Bytes of an upload besides the blob: multipart headers, tags. */
const FORM_BYTES = 1024 * 1024;
const READ_BODY_LIMIT = 64 * 1024;

/** @param holders of a snapshot: by blob id, the nodes that hold something of it */
export const startStorageNodes = async (
  { options, servers, chain, registry, vault, identities }: Init,
  holders: ReadonlyMap<string, readonly number[]>,
): Promise<readonly NodeServer[]> => {
  const bodyLimit = Math.max(2 * 1024 * 1024, vault.shards * 65_536 + 1_024);
  const nodes: NodeServer[] = [];
  for (const { index, shards, secretKey } of identities) {
    const node = new StorageNode({
      index,
      shards,
      secretKey,
      registry,
      vault,
      sliverChecks: options.sliverChecks,
      now: () => chain.timeMs,
    });
    for (const [blobId, by] of holders) if (by.includes(index)) node.adopt(blobId);
    const port = nthPort(options.ports?.nodes, index);
    nodes.push({ node, server: await servers.start(node.handle, { bodyLimit, port }) });
  }
  return nodes;
};

export interface WalrusServices {
  readonly relay: RunningServer;
  readonly publisher: RunningServer;
  readonly aggregatorServer: RunningServer;
  readonly aggregator: Aggregator;
  /** Forgets what the clients of the services know of the committee. */
  reset(): void;
}

export const startWalrusServices = async (
  { options, servers, registry, vault, identities }: Init,
  {
    rpc,
    nodes,
    ids,
    publisherKey,
  }: {
    readonly rpc: RunningServer;
    readonly nodes: readonly NodeServer[];
    readonly ids: WalrusIds;
    readonly publisherKey: Ed25519Keypair;
  },
): Promise<WalrusServices> => {
  const byOrigin = new Map([rpc, ...nodes.map(({ server }) => server)].map((to) => [to.url, to]));
  const fetch = localFetch((origin) => byOrigin.get(origin));
  const suiClient = new SuiGrpcClient({ network: 'localnet', baseUrl: rpc.url, fetch });
  const { systemObjectId, stakingPoolId } = ids;
  const walrusClient = (): WalrusClient =>
    new WalrusClient({
      suiClient,
      packageConfig: { systemObjectId, stakingPoolId },
      storageNodeUrlScheme: 'http',
      storageNodeClientOptions: { fetch },
    });
  const [forRelay, forPublisher, forAggregator] = [walrusClient(), walrusClient(), walrusClient()];
  const aggregator = new Aggregator({
    walrus: forAggregator,
    vault,
    registry,
    // Shards are dealt round robin.
    serverOf: (shard) => nodes[shard % nodes.length]?.server,
  });
  const blobLimit = maxBlobSize(vault.shards) + 1_024;
  const relay = await servers.start(
    relayHandler({
      walrus: forRelay,
      vault,
      registry,
      keys: identities.map(({ publicKey }) => publicKey),
    }),
    { bodyLimit: blobLimit, port: options.ports?.relay },
  );
  const publisher = await servers.start(
    publisherHandler({
      walrus: forPublisher,
      suiClient,
      signer: publisherKey,
      queue: new TaskQueue(),
      registry,
    }),
    { bodyLimit: blobLimit + FORM_BYTES, port: options.ports?.publisher },
  );
  const aggregatorServer = await servers.start(aggregator.handle, {
    bodyLimit: READ_BODY_LIMIT,
    port: options.ports?.aggregator,
  });
  return {
    relay,
    publisher,
    aggregatorServer,
    aggregator,
    reset: () => {
      for (const client of [forRelay, forPublisher, forAggregator]) client.reset();
    },
  };
};
