/**
 * @module What a devnet is told and what it tells: options with their defaults, and the configuration that clients read. The
 * configuration has the form of a network's, so that testnet is another file and nothing else.
 */
import { FloeError } from '../protocol/errors.ts';

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
  /**
   * A folder: what it holds is gone on from, and it is written on stop and on `save()`. Seed and sizes may be left out
   * then: they are the snapshot's; others are refused.
   */
  readonly snapshot?: string;
  /** The snapshot must be there, and stays as it is: for looking at a run that is over. */
  readonly readOnly?: boolean;
  /** Floe's own package, published (and made immutable) by a transaction. */
  readonly floePackage?: PublishablePackage;
}

/** Shares are numbered by one byte. */
export const MAX_KEY_SERVERS = 255;

const DEFAULTS = {
  seed: 1,
  nodes: 13,
  shardsPerNode: 4,
  sliverChecks: 'structure',
  prices: { storagePerUnit: 100_000, writePerUnit: 20_000 },
  sealServers: 3,
  sealThreshold: 2,
} as const;

/** What a snapshot says of the devnet that it was made of. */
type SavedOptions = Pick<
  Required<DevnetOptions>,
  'seed' | 'nodes' | 'shardsPerNode' | 'sealServers' | 'sealThreshold'
>;

/** Options of which only those may be absent that have no default. */
export type CompleteOptions = DevnetOptions &
  Required<Omit<DevnetOptions, 'ports' | 'now' | 'snapshot' | 'readOnly' | 'floePackage'>>;

/**
 * The options with everything that was left out.
 *
 * @throws {FloeError} usage when they are impossible or not those of the snapshot
 */
export const completeOptions = (
  options: DevnetOptions,
  saved: SavedOptions | undefined,
): CompleteOptions => {
  for (const name of ['seed', 'nodes', 'shardsPerNode', 'sealServers', 'sealThreshold'] as const)
    // A seed comes as a number from code and as text from the command line.
    if (saved && options[name] !== undefined && String(options[name]) !== String(saved[name]))
      throw new FloeError(
        'usage',
        `the snapshot is of another ${name}: expected ${saved[name]}, got ${options[name]}`,
      );
  const all = { ...DEFAULTS, ...options, ...saved };
  if (!Number.isInteger(all.nodes) || all.nodes < 4)
    throw new FloeError('usage', `expected at least 4 storage nodes, got ${all.nodes}`);
  if (!Number.isInteger(all.shardsPerNode) || all.shardsPerNode < 1)
    throw new FloeError('usage', `expected at least 1 shard per node, got ${all.shardsPerNode}`);
  if (all.nodes * all.shardsPerNode > 1_000)
    throw new FloeError('usage', 'expected at most 1000 shards');
  if (all.sealServers > MAX_KEY_SERVERS)
    throw new FloeError(
      'usage',
      `expected at most ${MAX_KEY_SERVERS} key servers, got ${all.sealServers}`,
    );
  if (all.sealThreshold < 1 || all.sealThreshold > all.sealServers)
    throw new FloeError(
      'usage',
      `expected a threshold in 1..${all.sealServers}, got ${all.sealThreshold}`,
    );
  return all;
};
