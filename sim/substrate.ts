/**
 * @module What a scenario's blobs, keys and freezes rest on: this machine's disk and sealed boxes, or Walrus, Seal and Sui on a
 * devnet of its own, through the SDKs. Every thread opens its own ports from plain data. The SDKs are loaded only where they
 * are used, so that a local run starts as fast as without them.
 */
import { join } from 'node:path';
import type { AccessGate } from '../protocol/access/access-gate.ts';
import { networkPorts } from '../client/network.ts';
import { openNetworkPorts } from '../coordinator/network.ts';
import { sealedBoxGate } from '../protocol/access/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/blobs/blob-store.ts';
import { directoryStore } from '../protocol/blobs/directory.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Ledger } from '../protocol/ledger/ledger.ts';
import type { NetworkConfig } from '../protocol/network.ts';
import type { RunSpec } from '../protocol/run-spec.ts';
import type { DevnetCalls } from './devnet-thread.ts';
import { startThread } from './thread.ts';

/** Plain data: it goes to worker threads. */
export type Substrate =
  | {
      readonly type: 'local';
      /** Folder of the blobs. */
      readonly blobs: string;
    }
  | {
      readonly type: 'devnet';
      /** Folder where uploads wait for their quilt, and of copies of everything. */
      readonly blobs: string;
      readonly network: NetworkConfig;
    };

/** What participants and readers work with. */
export interface ReaderPorts {
  readonly store: BlobStore;
  readonly gateFor: (identity: Identity) => Promise<AccessGate>;
}

export interface CoordinatorPorts {
  readonly store: BlobStore;
  readonly gate: AccessGate;
  readonly ledger: Ledger;
  /** Object id of a version on chain. */
  readonly modelObject: (round: number) => Promise<string | undefined>;
  close(): Promise<void>;
}

/** Ports of one thread: uploads go to the coordinator's folder, models come from where they are published. */
export const openReaderPorts = async (
  substrate: Substrate,
  spec: RunSpec,
  identity: Identity,
): Promise<ReaderPorts> => {
  const folder = directoryStore(substrate.blobs);
  if (substrate.type === 'local')
    return { store: folder, gateFor: async (reader) => sealedBoxGate(reader) };
  const { store, gateFor } = await networkPorts(substrate.network, {
    identity,
    spec,
    uploads: folder,
  });
  return { store, gateFor };
};

export const openCoordinatorPorts = async (
  substrate: Substrate,
  init: {
    readonly spec: RunSpec;
    readonly run: Uint8Array;
    readonly identity: Identity;
    /** What a local run freezes in. */
    readonly localLedger: () => Ledger;
    /** Folder of the run. */
    readonly folder: string;
    readonly warn: (message: string) => void;
  },
): Promise<CoordinatorPorts> => {
  const { spec, run, identity, localLedger, warn } = init;
  const folder = directoryStore(substrate.blobs);
  if (substrate.type === 'local')
    return {
      store: folder,
      gate: sealedBoxGate(identity),
      ledger: localLedger(),
      modelObject: async () => undefined,
      close: async () => undefined,
    };
  const { requestSuiFromFaucetV2 } = await import('@mysten/sui/faucet');
  const { network } = substrate;
  if (network.faucetUrl === undefined)
    throw new FloeError('spec_invalid', 'a simulation needs a network with a faucet');
  await requestSuiFromFaucetV2({ host: network.faucetUrl, recipient: identity.address });
  const ports = await openNetworkPorts({
    network,
    spec,
    identity,
    blobs: substrate.blobs,
    uploads: join(init.folder, 'uploads'),
    warn,
  });
  return { ...ports, modelObject: (round) => ports.ledger.modelObject(run, round) };
};

export interface RunningSubstrate {
  readonly substrate: Substrate;
  stop(): Promise<void>;
}

/** Starts the devnet of a run in a thread of its own, where the scenario wants one. */
export const startSubstrate = async (
  type: Substrate['type'],
  blobs: string,
  seed: string,
): Promise<RunningSubstrate> => {
  if (type === 'local') return { substrate: { type, blobs }, stop: async () => undefined };
  const thread = startThread<DevnetCalls>('devnet-thread', {});
  try {
    const network = await thread.call('start', { seed });
    return {
      substrate: { type, blobs, network },
      stop: async () => {
        await thread.call('stop', undefined);
        await thread.end();
      },
    };
  } catch (thrown) {
    await thread.end();
    throw thrown;
  }
};
