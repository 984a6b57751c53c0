/**
 * @module What a devnet is told and what it tells: options with their defaults, and the configuration that clients read. The
 * configuration has the form of a network's, so that testnet is another file and nothing else.
 */

/** Where everything is; written by `floe devnet --config-out`. */
export interface NetworkConfig {
  readonly rpcUrl: string;
  readonly faucetUrl: string;
  readonly walrus: {
    readonly systemObjectId: string;
    readonly stakingPoolId: string;
    readonly relayUrl: string;
    readonly publisherUrl: string;
    readonly aggregatorUrl: string;
  };
  readonly seal: {
    readonly packageId: string;
    readonly servers: readonly { readonly objectId: string; readonly url: string }[];
    readonly threshold: number;
  };
  /** Absent when no Floe package was given to publish. */
  readonly floe?: { readonly packageId: string };
}

/** A compiled package: bytecode in base64, ids of what it links to. */
export interface PublishablePackage {
  readonly modules: readonly string[];
  readonly dependencies: readonly string[];
}

/** First ports; 0 or absent means any free port. Nodes and key servers take consecutive ones. */
export interface DevnetPorts {
  readonly rpc?: number;
  readonly faucet?: number;
  readonly relay?: number;
  readonly publisher?: number;
  readonly aggregator?: number;
  readonly nodes?: number;
  readonly seal?: number;
}

export interface DevnetOptions {
  /** Keys, ids and the chain id follow from it. Default 1. */
  readonly seed?: string | number;
  readonly ports?: DevnetPorts;
  /** Storage nodes, at least 4. Default 13. */
  readonly nodes?: number;
  /** Default 4; shards bound the size of a blob (52 shards: 41 MB). */
  readonly shardsPerNode?: number;
  /** `full` holds every sliver against the metadata before a node confirms. Default `structure`. */
  readonly sliverChecks?: 'structure' | 'full';
  /** FROST for a MiB of encoded bytes. */
  readonly prices?: { readonly storagePerUnit: number; readonly writePerUnit: number };
  /** Default 3. */
  readonly sealServers?: number;
  /** Default 2. */
  readonly sealThreshold?: number;
  /** Milliseconds since 1970; the chain's clock and the key servers' go by it. Default the wall clock. */
  readonly now?: () => number;
  /** State is read from this file if it exists and written to it on stop and on `save()`. */
  readonly snapshot?: string;
  /** Floe's own package, published (and made immutable) by a transaction. */
  readonly floePackage?: PublishablePackage;
}

export const DEFAULTS = {
  seed: 1,
  nodes: 13,
  shardsPerNode: 4,
  sliverChecks: 'structure',
  prices: { storagePerUnit: 100_000, writePerUnit: 20_000 },
  sealServers: 3,
  sealThreshold: 2,
} as const;
