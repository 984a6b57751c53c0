/**
 * @module The ports of a coordinator's run: in its state folder, or on a network, where the
 * coordinator must be able to pay before anything is stored.
 */
import { join } from 'node:path';
import { epochsOf, publicUrl, type NetworkConfig } from '../protocol/net/config.ts';
import { packageOf } from '../protocol/net/network-file.ts';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import type { BlobRemoval, UploadStaging } from '../protocol/ports/upload-staging.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import { localPorts } from '../protocol/ports/local-ports.ts';
import type { Publication } from '../protocol/records/publication.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import type { FundsOfRun, StartEvent } from './events.ts';
import type { Treasury } from './funds.ts';
import { committedIn } from './journal/history.ts';
import type { Journal } from './journal/port.ts';
import { journalLedger } from './ledger.ts';
import { openNetworkPorts, type NetworkPortsInit } from './network.ts';
import type { Place } from './state-folder.ts';
import { plural } from '../protocol/plural.ts';

/**
 * @throws FloeError `funds_missing` when not even the next round can be paid; `ledger_unavailable`
 */
const ensureFunds = async (
  { network }: Place,
  spec: RunSpec,
  address: string,
  roundsLeft: number,
  emit: (event: StartEvent) => void,
): Promise<FundsOfRun> => {
  const { covers, estimateRound, estimateRun, fundsMissing, openPurse, shortOf, timesCovered } =
    await import('./funds.ts');
  const { epochStart } = await import('../protocol/net/walrus/epochs.ts');
  const purse = openPurse(network, address);
  const epochs = epochsOf(network);
  const prices = await purse.prices();
  const all = estimateRun(spec, roundsLeft, epochs, prices);
  const next = estimateRun(spec, Math.min(1, roundsLeft), epochs, prices);
  const have = await purse.fill(all, (message) => emit({ type: 'warning', message }));
  const what = `${plural(roundsLeft, 'round')}, stored for ${plural(epochs, 'epoch')},`;
  if (!covers(have, next)) throw fundsMissing(address, have, all, what);
  const now = await purse.epochs();
  const end = now.epoch + epochs;
  return {
    address,
    have,
    needed: all,
    missing: covers(have, all) ? undefined : shortOf(have, all),
    roundsLeft,
    epochs,
    paidUntil: { epoch: end, time: epochStart(now, end) },
    lasts: timesCovered(have, estimateRound(spec, epochs, prices)),
  };
};

/** @throws FloeError `funds_missing`, `ledger_unavailable` */
const reportFunds = async (
  place: Place,
  spec: RunSpec,
  address: string,
  journal: Journal,
  emit: (event: StartEvent) => void,
): Promise<void> => {
  const left = spec.rounds - (await committedIn(journal));
  const funds = left > 0 ? await ensureFunds(place, spec, address, left, emit) : undefined;
  emit({ type: 'funds', address, funds });
};

export interface OnChain {
  /** Object id of the run. */
  runObject(): Promise<string>;
  /** The initial model first. */
  versions(): Promise<readonly VersionFacts[]>;
  /** Object id of the version after this attempt. */
  modelObject(attempt: number): Promise<string | undefined>;
  /** Makes the run readable from its object id alone. */
  publish(transcript: Uint8Array): Promise<Publication | undefined>;
}

export interface RunPorts {
  readonly store: BlobStore;
  /** On a network. */
  readonly staging: UploadStaging | undefined;
  readonly removal: BlobRemoval;
  readonly uploads: BlobStore;
  readonly gate: AccessGate;
  readonly ledger: Ledger;
  /** On a network. */
  readonly onChain: OnChain | undefined;
  /** The account that pays for the run, on a network. */
  readonly treasury: Treasury | undefined;
  close(): Promise<void>;
}

/** @throws FloeError `funds_missing`, what {@link openNetworkPorts} throws */
export const openRunPorts = async (init: {
  readonly folder: string;
  readonly place: Place | undefined;
  readonly spec: RunSpec;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly emit: (event: StartEvent) => void;
  /**
   * Ensures that the run can be paid for. Default: checks the balance of `identity`, and uses a
   * faucet if the network has one.
   */
  readonly fund?: (network: NetworkConfig) => Promise<void>;
  /** How long the network's services may take, where not as long as usual. */
  readonly limits?: NonNullable<NetworkPortsInit['limits']>;
}): Promise<RunPorts> => {
  const { folder, place, spec, identity, journal, emit, fund, limits } = init;
  const blobs = join(folder, RUN_FILES.blobs);
  if (place === undefined) {
    const store = directoryStore(blobs);
    return {
      ...localPorts({ identity, store, ledger: journalLedger(journal) }),
      staging: undefined,
      removal: store,
      uploads: store,
      onChain: undefined,
      treasury: undefined,
    };
  }
  const { network, path } = place;
  const run = hashRunSpec(spec);
  const packageId = packageOf(network, path);
  const { seal, rpcUrl } = network;
  emit({ type: 'network', url: publicUrl(rpcUrl), path, packageId, seal });
  const { address } = identity;
  await (fund ?? (() => reportFunds(place, spec, address, journal, emit)))(network);
  const ports = await openNetworkPorts({
    network,
    spec,
    identity,
    ...(limits === undefined ? {} : { limits }),
    blobs,
    uploads: join(folder, RUN_FILES.uploads),
    warn: (message) => emit({ type: 'warning', message }),
  });
  if (ports.resumed > 0) emit({ type: 'uploads-resumed', count: ports.resumed });
  const runObject = (): Promise<string> => ports.ledger.runObject(run);
  const { openTreasury } = await import('./funds.ts');
  return {
    ...ports,
    staging: ports.store,
    removal: ports.store,
    treasury: openTreasury(network, spec, address),
    onChain: {
      runObject,
      modelObject: (attempt) => ports.ledger.modelObject(run, attempt),
      publish: (transcript) => ports.publish(transcript),
      versions: async () => {
        const [{ versionsOf }, { registryOf }] = await Promise.all([
          import('../protocol/net/sui/lineage.ts'),
          import('../protocol/net/registry.ts'),
        ]);
        return versionsOf(registryOf(network, path), await runObject());
      },
    },
  };
};
