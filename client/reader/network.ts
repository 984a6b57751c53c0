/**
 * @module The network of a run that is read: named by the reader, or by the run's folder. A
 * simulation saves its devnet in the folder, and the reader restarts it from there.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import { publicUrl, type NetworkConfig } from '../../protocol/net/config.ts';
import type { NetworkFile } from '../../protocol/net/network-file.ts';
import { readRunNetwork, resolveRunFolder } from '../../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';

/** A devnet that was started again. */
export interface RestartedDevnet {
  readonly network: NetworkConfig;
  stop(): Promise<void>;
}

/** The events while a run is opened. */
export type ReaderEvent =
  /** Another network than the caller's: the one that `from` names. */
  | { readonly type: 'network'; readonly url: string; readonly from: string }
  /** The devnet in the folder `from` is started again. */
  | { readonly type: 'devnet'; readonly from: string };

export interface NetworkOptions {
  /** The reader's own configuration: it determines which chain is trusted. */
  readonly network?: NetworkConfig | NetworkFile | undefined;
  /** Folder of a run that took place on the network, for an object id without `network`. */
  readonly runFolder?: string | undefined;
  /**
   * Starts the devnet of a simulation again from its folder (`startDevnet` of floe-devnet with
   * `readOnly`). Without it the address that the folder names must answer.
   */
  readonly devnet?: ((snapshot: string) => Promise<RestartedDevnet>) | undefined;
  readonly onEvent?: ((event: ReaderEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The named network, with a label for errors. */
export const namedNetwork = (
  given: NetworkConfig | NetworkFile,
): Pick<NetworkFile, 'network' | 'path'> =>
  'path' in given ? given : { network: given, path: 'the network configuration' };

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The network of a run's folder, up and running. @throws FloeError what starting a devnet throws
 */
export const reachNetwork = async (
  folder: string,
  config: NetworkConfig,
  { devnet, onEvent, signal }: NetworkOptions,
  resources: AsyncDisposableStack,
): Promise<NetworkConfig> => {
  const snapshot = join(folder, RUN_FILES.devnet);
  // While the run is in progress there is no snapshot, and its devnet answers.
  const isSaved = await exists(join(snapshot, 'manifest.json'));
  if (!isSaved || devnet === undefined) {
    const from = join(folder, RUN_FILES.network);
    onEvent?.({ type: 'network', url: publicUrl(config.rpcUrl), from });
    return config;
  }
  signal?.throwIfAborted();
  onEvent?.({ type: 'devnet', from: snapshot });
  const running = await devnet(snapshot);
  resources.defer(() => running.stop());
  signal?.throwIfAborted();
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
 * The network on which an object is looked for.
 *
 * @throws FloeError `usage` when none is named, `file_not_found`, `spec_invalid`
 */
export const findNetwork = async (
  options: NetworkOptions,
  resources: AsyncDisposableStack,
): Promise<FoundNetwork> => {
  const { network: own, runFolder } = options;
  if (own !== undefined) {
    const { network, path } = namedNetwork(own);
    return { network, folder: undefined, from: path };
  }
  if (runFolder === undefined)
    throw new FloeError('usage', 'expected a network, or the folder of a run on it');
  const folder = await resolveRunFolder(runFolder);
  const stored = await readRunNetwork(folder);
  if (stored === undefined)
    throw new FloeError(
      'usage',
      `the run in ${runFolder} took place without Sui, Walrus and Seal, so it has no objects there; an object of another run needs --network <file> or --run <folder>`,
    );
  const network = await reachNetwork(folder, stored, options, resources);
  return { network, folder, from: runFolder };
};
