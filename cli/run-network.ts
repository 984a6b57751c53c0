/**
 * @module The network of a run that is over, for the commands that read: from a file, or from the run's folder, where the
 * devnet of a run's own is started again from its snapshot.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import { publicUrl, type NetworkConfig } from '../protocol/net/config.ts';
import { holdsDevnet, reopenRunDevnet } from '../sim/run-devnet.ts';
import { readRunNetwork, resolveRunFolder } from '../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { isThere } from '../protocol/ports/files.ts';
import { namedNetwork, readNetworkFile, withNetwork, type NetworkFlags } from './network.ts';

export interface FoundNetworkFlags extends NetworkFlags {
  readonly run?: string;
}

/** The flags that say where to look for an object. */
export const withFoundNetwork = (command: Command): Command =>
  withNetwork(command).option(
    '--run <folder>',
    'look for the object where this run took place (default: runs/latest)',
  );

/** What a command needs besides what it reads. */
export interface Reading {
  /** A line for people. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
  /** Ended with the command. */
  readonly resources: AsyncDisposableStack;
}

const LATEST_RUN = 'runs/latest';

/** The network of a run's folder, up and running. */
export const reachNetwork = async (
  folder: string,
  config: NetworkConfig,
  { say, signal, resources }: Reading,
): Promise<NetworkConfig> => {
  // While the run goes on there is no snapshot, and its devnet answers.
  if (!(await holdsDevnet(folder))) {
    say(`network    ${publicUrl(config.rpcUrl)}, as ${join(folder, RUN_FILES.network)} says`);
    return config;
  }
  signal.throwIfAborted();
  say(`network    the devnet of this run, started again from ${join(folder, RUN_FILES.devnet)}`);
  const running = await reopenRunDevnet(folder);
  resources.defer(() => running.stop());
  signal.throwIfAborted();
  return running.network;
};

export interface FoundNetwork {
  readonly network: NetworkConfig;
  /** The run's folder that it comes from. */
  readonly folder: string | undefined;
  /** Named in errors. */
  readonly from: string;
}

/**
 * The network of `--network` or FLOE_NETWORK, else of `--run` or of the latest run.
 * @throws FloeError `usage` when there is none, `file_not_found`, `spec_invalid`
 */
export const findNetwork = async (
  flags: FoundNetworkFlags,
  reading: Reading,
): Promise<FoundNetwork> => {
  if (flags.network !== undefined && flags.run !== undefined)
    throw new FloeError('usage', 'expected --network or --run, not both');
  if (flags.run === undefined && namedNetwork(flags) !== undefined) {
    const { network, path } = await readNetworkFile(flags);
    return { network, folder: undefined, from: path };
  }
  const named = flags.run ?? LATEST_RUN;
  if (flags.run === undefined && !(await isThere(named)))
    throw new FloeError('usage', 'expected --network <file>, FLOE_NETWORK or --run <folder>');
  const folder = await resolveRunFolder(named);
  const stored = await readRunNetwork(folder);
  if (stored === undefined)
    throw new FloeError(
      'usage',
      `the run in ${named} took place on no network: expected --network <file>, or another --run`,
    );
  return { network: await reachNetwork(folder, stored, reading), folder, from: named };
};
