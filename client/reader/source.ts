/**
 * @module The common types of all sources of a run: the options, the ports, and the key that opens
 * its models, if any.
 */
import type { NetworkConfig } from '../../protocol/net/config.ts';
import type { VersionFacts } from '../../protocol/net/sui/lineage.ts';
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { FolderFiles } from './examine-folder.ts';
import type { NetworkOptions } from './network.ts';

export interface OpenRunOptions extends NetworkOptions {
  /**
   * The identity that opens the models. A function receives whether the run is on a network, where
   * a Sui key is usable. Default: the simulated auditor in a simulation's folder, otherwise none.
   */
  readonly identity?: Identity | ((onChain: boolean) => Promise<Identity | undefined>) | undefined;
  /** A network for a coordinator's address, used only where that run is on one; see `network`. */
  readonly networkIfAny?: (() => Promise<NonNullable<NetworkOptions['network']>>) | undefined;
  /**
   * Reads the freezes in the journal of a folder without a network (`readJournalLedger` of
   * floe/coordinator). Without it they are not compared.
   */
  readonly journalLedger?: ((journal: string) => Promise<ClosableLedger>) | undefined;
  /** The hash that was agreed on: another run is refused. */
  readonly expectRun?: Uint8Array | undefined;
  /** Reads blobs of a folder's run from Walrus, not from the folder's copies of them. */
  readonly remote?: boolean | undefined;
}

export interface ClosableLedger {
  readonly ledger: Ledger;
  close(): Promise<void> | void;
}

export interface Source {
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: Ledger | undefined;
  /** Absent without a key. */
  readonly gate: AccessGate | undefined;
  /** Address of the key's identity. */
  readonly reader: string | undefined;
  /** Where the run is on chain, on a network. */
  readonly network: NetworkConfig | undefined;
  /** The requested version, if the source is a version's object. */
  readonly version: VersionFacts | undefined;
  /** The last published round, if the publication was read. */
  readonly published: number | undefined;
  /** The files of the run's folder before anything was opened, if it was read from a folder. */
  readonly files: FolderFiles | undefined;
}

/** What only an object on Sui or a folder has. */
export const WHOLE = { version: undefined, published: undefined, files: undefined };

export const chooseReader = async (
  { identity }: OpenRunOptions,
  own: Uint8Array | undefined,
  onChain: boolean,
): Promise<Identity | undefined> => {
  const named = typeof identity === 'function' ? await identity(onChain) : identity;
  return named ?? (own === undefined ? undefined : identityFromSeed(own));
};

/** Blobs and freezes are read without a key, but a connection wants one. */
export const anybody = (): Promise<Identity> => identityFromSeed(systemRandom(32));

/** The rest of a run on a network. */
export const connectReader = async (
  network: NetworkConfig,
  spec: RunSpec,
  reader: Identity | undefined,
  resources: AsyncDisposableStack,
): Promise<Pick<Source, 'store' | 'ledger' | 'gate' | 'network'>> => {
  const { connectIdentity } = await import('../../protocol/net/network-ports.ts');
  const connected = await connectIdentity(network, reader ?? (await anybody()), { spec });
  resources.defer(() => connected.close());
  const { store, ledger, gate } = connected;
  return { store, ledger, gate: reader && gate, network };
};
