/**
 * @module The options of a devnet with their defaults, and the configuration that clients read.
 */
import { DevnetError } from './errors.ts';

/** Addresses and ids of a running devnet; `floe-devnet --config-out` writes it as JSON. */
export interface DevnetConfig {
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
  /**
   * Ids of the packages that were published at the start, by the name that the options gave them.
   */
  readonly packages: Readonly<Record<string, string>>;
}

/** A compiled package: bytecode in base64, ids of what it links to. */
export interface PublishablePackage {
  readonly modules: readonly string[];
  readonly dependencies: readonly string[];
}

/**
 * Ports; 0 or absent means any free port. Nodes and key servers take consecutive ones from a
 * number, or those of a list.
 */
export interface DevnetPorts {
  readonly rpc?: number;
  readonly faucet?: number;
  readonly relay?: number;
  readonly publisher?: number;
  readonly aggregator?: number;
  readonly nodes?: number | readonly number[];
  readonly seal?: number | readonly number[];
}

export interface DevnetOptions {
  /** Keys, ids and the chain id follow from it. Default 1. */
  readonly seed?: string | number;
  readonly ports?: DevnetPorts;
  /** Storage nodes, at least 4. Default 13. */
  readonly nodes?: number;
  /** Default 4; shards bound the size of a blob (52 shards: 41 MB). */
  readonly shardsPerNode?: number;
  /** `full` compares every sliver with the metadata before a node confirms. Default `structure`. */
  readonly sliverChecks?: 'structure' | 'full';
  /** FROST for a MiB of encoded bytes. */
  readonly prices?: { readonly storagePerUnit: number; readonly writePerUnit: number };
  /** Default 3. */
  readonly sealServers?: number;
  /** Default 2. */
  readonly sealThreshold?: number;
  /**
   * Milliseconds since 1970; the chain's clock and the key servers' go by it. Default the wall
   * clock.
   */
  readonly now?: () => number;
  /**
   * A folder: what it holds is gone on from, and it is written on stop and on `save()`. Seed and
   * sizes may be left out then: they are the snapshot's; others are refused.
   */
  readonly snapshot?: string;
  /** The snapshot must be there, and stays as it is: for looking at a run that is over. */
  readonly readOnly?: boolean;
  /**
   * Continues from the state that was pinned by this number (see `Devnet.pin`), not from the newest
   * one. What came after it is removed.
   */
  readonly pinned?: number;
  /**
   * Packages by name, each published and made immutable by a transaction at the start, in this
   * order. A name that the snapshot has already is not published again.
   */
  readonly packages?: Readonly<Record<string, PublishablePackage>>;
}

/** Shares are numbered by one byte. */
export const MAX_KEY_SERVERS = 255;
/** Walrus tolerates a third of the nodes less one: with fewer, none. */
export const MIN_NODES = 4;
/** As on Walrus's own networks. */
export const MAX_SHARDS = 1_000;

const DEFAULTS = {
  seed: 1,
  nodes: 13,
  shardsPerNode: 4,
  sliverChecks: 'structure',
  prices: { storagePerUnit: 100_000, writePerUnit: 20_000 },
  sealServers: 3,
  sealThreshold: 2,
  packages: {},
} as const;

/** What a snapshot says of the devnet that it was made of. */
type SavedOptions = Pick<
  Required<DevnetOptions>,
  'seed' | 'nodes' | 'shardsPerNode' | 'sealServers' | 'sealThreshold'
>;

/** Options of which only those may be absent that have no default. */
export type CompleteOptions = DevnetOptions &
  Required<Omit<DevnetOptions, 'ports' | 'now' | 'snapshot' | 'readOnly' | 'pinned'>>;

/**
 * The options with everything that was left out.
 *
 * @throws {DevnetError} `option_invalid` when they are impossible or not those of the snapshot
 */
export const completeOptions = (
  options: DevnetOptions,
  saved: SavedOptions | undefined,
): CompleteOptions => {
  for (const name of ['seed', 'nodes', 'shardsPerNode', 'sealServers', 'sealThreshold'] as const)
    // A seed comes as a number from code and as text from the command line.
    if (saved && options[name] !== undefined && String(options[name]) !== String(saved[name]))
      throw new DevnetError(
        'option_invalid',
        `the snapshot is of another ${name}: expected ${saved[name]}, got ${options[name]}; ` +
          'begin another network with --fresh, or in another folder',
      );
  const all = { ...DEFAULTS, ...options, ...saved };
  if (!Number.isInteger(all.nodes) || all.nodes < MIN_NODES)
    throw new DevnetError(
      'option_invalid',
      `expected at least ${MIN_NODES} storage nodes, got ${all.nodes}`,
    );
  if (!Number.isInteger(all.shardsPerNode) || all.shardsPerNode < 1)
    throw new DevnetError(
      'option_invalid',
      `expected at least 1 shard per node, got ${all.shardsPerNode}`,
    );
  if (all.nodes * all.shardsPerNode > MAX_SHARDS)
    throw new DevnetError('option_invalid', `expected at most ${MAX_SHARDS} shards`);
  if (all.sealServers > MAX_KEY_SERVERS)
    throw new DevnetError(
      'option_invalid',
      `expected at most ${MAX_KEY_SERVERS} key servers, got ${all.sealServers}`,
    );
  if (all.sealThreshold < 1 || all.sealThreshold > all.sealServers)
    throw new DevnetError(
      'option_invalid',
      `expected a threshold in 1..${all.sealServers}, got ${all.sealThreshold}`,
    );
  return all;
};
