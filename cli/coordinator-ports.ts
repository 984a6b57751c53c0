/**
 * @module Where a coordinator's run is kept: in its state folder, or on a network whose configuration is noted in that folder, so
 * that the run goes on where it began. On a network it is seen to first that the coordinator can pay.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  committedIn,
  journalLedger,
  openNetworkPorts,
  type Journal,
} from '../coordinator/index.ts';
import type { Treasury } from '../coordinator/funds.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { sealedBoxGate } from '../protocol/ports/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import {
  allowedServers,
  networkDifference,
  publicUrl,
  type NetworkConfig,
} from '../protocol/net/config.ts';
import type { Publication } from '../protocol/records/publication.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { readRunNetwork, writeRunNetwork } from '../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';

import { showTime } from './amounts.ts';
import { namedNetwork, packageOf, readNetworkFile, type NetworkFlags } from './network.ts';
import type { Output } from './output.ts';

/** The journal of uploads to Walrus, in the state folder. */
const UPLOADS = 'uploads';

export interface PlaceFlags extends NetworkFlags {
  readonly local?: boolean;
  readonly storageEpochs?: number;
}

export interface Place {
  readonly network: NetworkConfig;
  /** File that describes it, as the operator knows it. */
  readonly path: string;
}

const mismatch = (message: string): FloeError => new FloeError('network_mismatch', message);

const givenPlace = async (flags: PlaceFlags): Promise<Place | undefined> => {
  if (flags.local === true || namedNetwork(flags) === undefined) return undefined;
  const { network, path } = await readNetworkFile(flags);
  return { network, path };
};

const storedPlace = async (folder: string): Promise<Place | undefined> => {
  const stored = await readRunNetwork(folder);
  return stored && { network: stored, path: join(folder, RUN_FILES.network) };
};

type Seal = NetworkConfig['seal'];

/** The servers that the run was sealed under before still open it. */
const withServersOfBefore = (seal: Seal, { servers, decryptOnly = [] }: Seal): Seal => {
  const allowed = allowedServers(seal);
  const before = [
    ...decryptOnly,
    ...servers.map(({ weight: _weight, ...server }) => server),
  ].filter(({ objectId }) => !allowed.has(objectId));
  return before.length === 0
    ? seal
    : { ...seal, decryptOnly: [...(seal.decryptOnly ?? []), ...before] };
};

/**
 * The network of the run, undefined for one that is kept in the folder. A run that was begun stays where it is.
 *
 * @param begun whether the folder holds a run
 * @throws FloeError `network_mismatch`, and what reading a configuration throws
 */
export const placeOfRun = async (
  folder: string,
  begun: boolean,
  flags: PlaceFlags,
): Promise<Place | undefined> => {
  if (flags.local === true && flags.network !== undefined)
    throw new FloeError('usage', 'expected --network or --local, not both');
  const given = await givenPlace(flags);
  const stored = begun ? await storedPlace(folder) : given;
  if (stored === undefined) {
    if (flags.network !== undefined)
      throw mismatch(
        `${folder} holds a run that is kept there, on no network; leave --network out`,
      );
    await rm(join(folder, RUN_FILES.network), { force: true });
    return undefined;
  }
  if (flags.local === true)
    throw mismatch(
      `${folder} holds a run on a network; leave --local out, or choose another --state`,
    );
  const difference = given && networkDifference(given.network, stored.network);
  if (difference !== undefined)
    throw mismatch(`${folder} holds a run on another network: ${difference}`);
  const { network, path } = given ?? stored;
  packageOf(network, path);
  const epochs = flags.storageEpochs ?? stored.network.walrus.epochs;
  const walrus = { ...network.walrus, ...(epochs === undefined ? {} : { epochs }) };
  const kept = { ...network, walrus, seal: withServersOfBefore(network.seal, stored.network.seal) };
  await writeRunNetwork(folder, kept);
  return { network: kept, path };
};

/** @throws FloeError `funds_missing` when not even the next round can be paid; `ledger_unavailable` */
const ensureFunds = async (
  { network }: Place,
  spec: RunSpec,
  address: string,
  roundsLeft: number,
  output: Output,
): Promise<void> => {
  const {
    covers,
    estimateRound,
    estimateRun,
    fundsMissing,
    openPurse,
    shortOf,
    showFunds,
    timesCovered,
  } = await import('../coordinator/funds.ts');
  const { epochsOf } = await import('../protocol/net/config.ts');
  const { epochStart } = await import('../protocol/net/walrus/epochs.ts');
  const purse = openPurse(network, address);
  const epochs = epochsOf(network);
  const prices = await purse.prices();
  const all = estimateRun(spec, roundsLeft, epochs, prices);
  const next = estimateRun(spec, Math.min(1, roundsLeft), epochs, prices);
  const have = await purse.fill(all, (message) => output.warn(message));
  const what = `${roundsLeft} rounds, stored for ${epochs} epochs,`;
  if (!covers(have, next)) throw fundsMissing(address, have, all, what);
  output.line(`pays       ${address}: has ${showFunds(have)}`);
  output.line(`estimate   ${showFunds(all)} for ${what} with a reserve of a fifth`);
  const now = await purse.epochs();
  const end = now.epoch + epochs;
  output.line(
    `paid       what is stored now is kept until epoch ${end} begins, about ${showTime(epochStart(now, end))}; ` +
      'what the next round reads is paid for longer while the run stands',
  );
  const lasts = timesCovered(have, estimateRound(spec, epochs, prices));
  output.line(`lasts      for about ${lasts} rounds, ${roundsLeft} are left`);
  if (!covers(have, all))
    output.warn(
      `that is not enough for the whole run: send ${address} ${showFunds(shortOf(have, all))} more`,
    );
};

export interface OnChain {
  /** Object id of the run. */
  runObject(): Promise<string>;
  /** The initial model first. */
  versions(): Promise<readonly VersionFacts[]>;
  /** Makes the run readable from its object id alone. */
  publish(transcript: Uint8Array): Promise<Publication | undefined>;
}

export interface RunPorts {
  readonly store: BlobStore;
  readonly uploads: BlobStore;
  readonly gate: AccessGate;
  readonly ledger: Ledger;
  /** On a network. */
  readonly onChain: OnChain | undefined;
  /** What it is paid from, on a network. */
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
  readonly output: Output;
}): Promise<RunPorts> => {
  const { folder, place, spec, identity, journal, output } = init;
  const blobs = join(folder, RUN_FILES.blobs);
  if (place === undefined) {
    const store = directoryStore(blobs);
    return {
      store,
      uploads: store,
      gate: sealedBoxGate(identity),
      ledger: journalLedger(journal),
      onChain: undefined,
      treasury: undefined,
      close: async () => undefined,
    };
  }
  const { network } = place;
  const run = hashRunSpec(spec);
  const packageId = packageOf(network, place.path);
  output.line(`network    ${publicUrl(network.rpcUrl)} (${place.path}), package ${packageId}`);
  const { servers, threshold, decryptOnly = [] } = network.seal;
  if (decryptOnly.length > 0)
    output.line(
      `keys       sealed under ${threshold} of ${servers.length} key servers; ${decryptOnly.length} of before only open`,
    );
  const roundsLeft = spec.rounds - (await committedIn(journal));
  if (roundsLeft > 0) await ensureFunds(place, spec, identity.address, roundsLeft, output);
  else output.line(`pays       ${identity.address}: nothing more than the transcript`);
  const ports = await openNetworkPorts({
    network,
    spec,
    identity,
    blobs,
    uploads: join(folder, UPLOADS),
    warn: (message) => output.warn(message),
  });
  if (ports.resumed > 0)
    output.line(`uploads    ${ports.resumed} were interrupted and are done now`);
  const runObject = (): Promise<string> => ports.ledger.runObject(run);
  const { openTreasury } = await import('../coordinator/funds.ts');
  return {
    ...ports,
    treasury: openTreasury(network, spec, identity.address),
    onChain: {
      runObject,
      publish: (transcript) => ports.publish(transcript),
      versions: async () => {
        const [{ versionsOf }, { suiClientOf }] = await Promise.all([
          import('../protocol/net/sui/lineage.ts'),
          import('../protocol/net/walrus/client.ts'),
        ]);
        return versionsOf({ client: suiClientOf(network), packageId }, await runObject());
      },
    },
  };
};
