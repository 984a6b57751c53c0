/**
 * @module The coordinator's ports on a network. Uploads are collected in a folder and sent to
 * Walrus together; models and bundles are sent immediately; Seal holds the keys; Sui holds freezes
 * and versions. The journal of uploads is on disk: an interrupted upload continues after a restart
 * and is paid once. The SDKs are loaded by the first call.
 */
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { roundStoreWithCopies } from '../protocol/ports/staging-store.ts';
import type { StagedStore } from '../protocol/ports/upload-staging.ts';
import type { ConnectOptions } from '../protocol/net/network-ports.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { SuiLedger } from '../protocol/net/sui/ledger.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { Publication } from '../protocol/records/publication.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';

export interface NetworkPortsInit {
  readonly network: NetworkConfig;
  readonly spec: RunSpec;
  /** The coordinator's: its key is the Sui address that pays. */
  readonly identity: Identity;
  /** Folder where uploads wait, and of copies of everything that was stored. */
  readonly blobs: string;
  /** Folder of the journal of uploads. */
  readonly uploads: string;
  /** How long the network's services may take, where not as long as usual. */
  readonly limits?: Pick<ConnectOptions, 'store' | 'gate'>;
  /** Receives a warning for each fault that is retried. */
  readonly warn: (message: string) => void;
  readonly clock?: Clock;
}

export interface NetworkPorts {
  readonly store: StagedStore;
  /**
   * Where participants' uploads go, see `ServeOptions`: put into `store` they would be paid for one
   * by one.
   */
  readonly uploads: BlobStore;
  readonly gate: AccessGate;
  readonly ledger: SuiLedger;
  /** Uploads that a crash had interrupted and that are certified now. */
  readonly resumed: number;
  /**
   * Publishes the committed rounds of the run: any reader that knows the run's object id on Sui can
   * then find them, see `publishRun`. Idempotent.
   * @returns undefined before the first commit
   */
  publish(transcript: Uint8Array): Promise<Publication | undefined>;
  close(): Promise<void>;
}

/**
 * Opens the ports and completes interrupted uploads.
 *
 * @throws FloeError `spec_invalid` when the configuration names no Floe package;
 * `store_unavailable`, `ledger_unavailable`, `transaction_failed`, `journal_corrupt` from
 * interrupted uploads
 */
export const openNetworkPorts = async (init: NetworkPortsInit): Promise<NetworkPorts> => {
  const [{ connectIdentity }, { folderUploadJournal }, { publishRun }] = await Promise.all([
    import('../protocol/net/network-ports.ts'),
    import('../protocol/ports/upload-journal-folder.ts'),
    import('../protocol/records/publication.ts'),
  ]);
  const { network, spec, identity, limits = {}, warn } = init;
  const connected = await connectIdentity(network, identity, {
    spec,
    journal: folderUploadJournal(init.uploads),
    warn,
    ...(init.clock === undefined ? {} : { clock: init.clock }),
    ...limits,
  });
  try {
    const waiting = directoryStore(init.blobs);
    const { store: lasting, gate, ledger, publications } = connected;
    return {
      store: roundStoreWithCopies({ waiting, lasting }),
      uploads: waiting,
      gate,
      ledger,
      resumed: await lasting.resume(),
      publish: (transcript) =>
        publishRun({
          spec,
          transcript,
          store: lasting,
          settle: (options) => lasting.settle(options),
          ledger: publications,
        }),
      close: () => connected.close(),
    };
  } catch (thrown) {
    await connected.close();
    throw thrown;
  }
};
