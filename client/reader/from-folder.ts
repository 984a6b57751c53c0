/**
 * @module Reads a run from its folder: that of a simulation, or the state of a coordinator.
 */
import { join } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import { networkDifference, type NetworkConfig } from '../../protocol/net/config.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { isThere } from '../../protocol/ports/files.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import { localPorts } from '../../protocol/ports/local-ports.ts';
import { withLocalCopies } from '../../protocol/ports/staging-store.ts';
import { readRun } from '../../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { listFolder } from './folder-files.ts';
import { namedNetwork, reachNetwork } from './network.ts';
import {
  anybody,
  chooseReader,
  connectReader,
  WHOLE,
  type OpenRunOptions,
  type Source,
} from './source.ts';

/** The network whose chain the reader trusts: the one it names, otherwise that of the folder. */
const ownNetwork = (
  { network: own }: OpenRunOptions,
  ofFolder: NetworkConfig,
): NetworkConfig | undefined => {
  if (own === undefined) return undefined;
  const { network } = namedNetwork(own);
  const difference = networkDifference(network, ofFolder);
  if (difference === undefined) return network;
  throw new FloeError('network_mismatch', `the run took place on another network: ${difference}`);
};

const openJournal = async (
  folder: string,
  { journalLedger }: OpenRunOptions,
  resources: AsyncDisposableStack,
): Promise<Ledger | undefined> => {
  const path = join(folder, RUN_FILES.journal);
  if (journalLedger === undefined || !(await isThere(path))) return undefined;
  const opened = await journalLedger(path);
  resources.defer(async () => opened.close());
  return opened.ledger;
};

/**
 * @throws FloeError `file_not_found`, `spec_invalid`, `network_mismatch`, `journal_corrupt`,
 * `usage`
 */
export const openFolder = async (
  path: string,
  options: OpenRunOptions,
  resources: AsyncDisposableStack,
): Promise<Source> => {
  const { folder, spec, transcript, auditorSeed, network } = await readRun(path);
  const reader = await chooseReader(options, auditorSeed, network !== undefined);
  const copies = directoryStore(join(folder, RUN_FILES.blobs));
  const files = await listFolder(folder);
  const same = { ...WHOLE, spec, transcript, reader: reader?.address, files };
  if (network === undefined) {
    if (options.remote === true || options.network !== undefined)
      throw new FloeError(
        'usage',
        `--${options.remote === true ? 'remote' : 'network'}: the run in ${path} took place on no network`,
      );
    const ledger = await openJournal(folder, options, resources);
    const identity = reader ?? (await anybody());
    const { gate } = localPorts({ identity, store: copies, ledger });
    return { ...same, store: copies, ledger, gate: reader && gate, network };
  }
  const config =
    ownNetwork(options, network) ?? (await reachNetwork(folder, network, options, resources));
  const connected = await connectReader(config, spec, reader, resources);
  const { store } = connected;
  return {
    ...same,
    ...connected,
    store: options.remote === true ? store : withLocalCopies(store, copies),
  };
};
