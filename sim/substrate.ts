/**
 * @module The services under a scenario: blobs, keys and freezes on this machine's disk and in
 * sealed boxes, or on Walrus, Seal and Sui through the SDKs, on a devnet of the run or on an
 * existing network. Every thread opens its ports from plain data. The SDKs are loaded only when
 * used, because a local run must start fast.
 */
import { join } from 'node:path';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { networkPorts } from '../client/network.ts';
import type { LedgerReader } from '../client/participant/options.ts';
import type { Journal } from '../coordinator/journal/port.ts';
import { openRunPorts } from '../coordinator/ports.ts';
import { localPorts } from '../protocol/ports/local-ports.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import type { BlobRemoval, UploadStaging } from '../protocol/ports/upload-staging.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { nodeFiles } from '../protocol/ports/disk.ts';
import type { ConnectOptions } from '../protocol/net/network-ports.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import { epochsOf, type NetworkConfig } from '../protocol/net/config.ts';
import type { Publication } from '../protocol/records/publication.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { startRunDevnet } from './run-devnet.ts';
import { writeRunNetwork } from '../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import type { Scenario } from './scenario.ts';
import { plural } from '../protocol/plural.ts';

/** How long the services of a network may take, where not as long as usual. */
export type NetworkLimits = Pick<ConnectOptions, 'store' | 'gate'>;

/** Plain data: it goes to worker threads. */
export type Substrate =
  | {
      readonly type: 'local';
      /** Folder of the blobs. */
      readonly blobs: string;
    }
  | {
      /** A devnet of the run, or an existing network. */
      readonly type: 'devnet' | 'network';
      /** Folder where uploads wait for their quilt, and of copies of everything. */
      readonly blobs: string;
      readonly network: NetworkConfig;
      readonly limits: NetworkLimits;
    };

/** The ports of participants and readers. */
export interface ReaderPorts {
  readonly store: BlobStore;
  /** The ledger for comparing freezes and reading a beacon on chain; undefined in a local run. */
  readonly ledger: LedgerReader | undefined;
  readonly gateFor: (identity: Identity) => Promise<AccessGate>;
  close(): Promise<void>;
}

export interface CoordinatorPorts {
  readonly store: BlobStore;
  /** Undefined in a local run. */
  readonly staging: UploadStaging | undefined;
  readonly removal: BlobRemoval;
  readonly gate: AccessGate;
  readonly ledger: Ledger;
  /** Object id of a version on chain. */
  readonly modelObject: (attempt: number) => Promise<string | undefined>;
  /** Object id of the run on chain. */
  readonly runObject: () => Promise<string | undefined>;
  /**
   * Publishes the run for readers without this folder; undefined without a chain or a committed
   * round.
   */
  readonly publish: (transcript: Uint8Array) => Promise<Publication | undefined>;
  close(): Promise<void>;
}

/**
 * The folder of a run's blobs. A local simulation is started again, not resumed: its blobs must be
 * whole when it ends, not survive a power cut, as its journal.
 */
const blobFolder = ({ type, blobs }: Substrate) =>
  directoryStore(blobs, { disk: nodeFiles({ durable: type !== 'local' }) });

/**
 * Ports of one thread: uploads go to the coordinator's folder, models come from where they are
 * published.
 */
export const openReaderPorts = async (
  substrate: Substrate,
  spec: RunSpec,
  identity: Identity,
): Promise<ReaderPorts> => {
  const folder = blobFolder(substrate);
  if (substrate.type === 'local') return localPorts({ identity, store: folder, ledger: undefined });
  const { network, limits } = substrate;
  return networkPorts(network, { identity, spec, uploads: folder, limits });
};

/** The production coordinator's ports; only payment differs in a simulation. */
export const openCoordinatorPorts = async (
  substrate: Substrate,
  init: {
    readonly spec: RunSpec;
    readonly identity: Identity;
    /** The journal for the freezes of a local run. */
    readonly journal: Journal;
    /** Folder of the run. */
    readonly folder: string;
    readonly warn: (message: string) => void;
  },
): Promise<CoordinatorPorts> => {
  const { spec, identity, warn } = init;
  const { type } = substrate;
  const isLocal = type === 'local';
  const ports = await openRunPorts({
    ...init,
    place: isLocal ? undefined : { network: substrate.network, path: RUN_FILES.network },
    emit: (event) => (event.type === 'warning' ? warn(event.message) : undefined),
    fund: (network) =>
      type === 'devnet'
        ? fundFromFaucet(network, identity.address)
        : fundCoordinator(network, spec, identity.address, warn),
    ...(isLocal ? {} : { limits: substrate.limits }),
  });
  const { onChain } = ports;
  return {
    ...ports,
    modelObject: async (attempt) => onChain?.modelObject(attempt),
    runObject: async () => onChain?.runObject(),
    publish: async (transcript) => onChain?.publish(transcript),
  };
};

/**
 * Requests coins for the run from the network's faucet. Without a faucet, the operator must send
 * coins first.
 */
const fundCoordinator = async (
  network: NetworkConfig,
  spec: RunSpec,
  address: string,
  warn: (message: string) => void,
): Promise<void> => {
  const { covers, estimateRun, fundsMissing, openPurse } = await import('../coordinator/funds.ts');
  const purse = openPurse(network, address);
  const needed = estimateRun(spec, spec.rounds, epochsOf(network), await purse.prices());
  const have = await purse.fill(needed, warn);
  if (!covers(have, needed))
    throw fundsMissing(address, have, needed, plural(spec.rounds, 'round'));
};

/** Requests coins from the faucet of the run's devnet. */
const fundFromFaucet = async ({ faucetUrl }: NetworkConfig, address: string): Promise<void> => {
  if (faucetUrl === undefined) throw new FloeError('internal', 'a devnet without a faucet');
  const { askFaucet } = await import('../protocol/net/sui/faucet.ts');
  await askFaucet(faucetUrl, address);
};

export interface RunningSubstrate {
  readonly substrate: Substrate;
  /**
   * Keeps the state of the services after an attempt that was committed, for a run that is resumed;
   * undefined where they rest on the folder alone.
   */
  readonly pin: ((attempt: number) => Promise<void>) | undefined;
  /**
   * Stops the services of this run, after which its folder is complete. Idempotent.
   *
   * @param isOver whether the run is, and is not resumed
   */
  stop(isOver: boolean): Promise<void>;
}

/**
 * Starts the devnet of a run in a separate thread, if the scenario uses one, and writes the network
 * into the folder.
 *
 * @param attempt the last one of an earlier part of the run
 */
export const startSubstrate = async (
  { substrate: wanted, seed }: Pick<Scenario, 'substrate' | 'seed'>,
  folder: string,
  limits: NetworkLimits,
  attempt?: number,
): Promise<RunningSubstrate> => {
  const blobs = join(folder, RUN_FILES.blobs);
  switch (wanted.type) {
    case 'local':
      return { substrate: { type: 'local', blobs }, pin: undefined, stop: async () => undefined };
    case 'network': {
      const { network } = wanted;
      await writeRunNetwork(folder, network);
      return {
        substrate: { type: 'network', blobs, network, limits },
        pin: undefined,
        stop: async () => undefined,
      };
    }
    case 'devnet': {
      const running = await startRunDevnet(folder, seed, attempt);
      const { network } = running;
      try {
        await writeRunNetwork(folder, network);
      } catch (thrown) {
        await running.stop(false);
        throw thrown;
      }
      return {
        substrate: { type: 'devnet', blobs, network, limits },
        pin: (committed) => running.pin(committed),
        stop: (isOver) => running.stop(isOver),
      };
    }
  }
};
