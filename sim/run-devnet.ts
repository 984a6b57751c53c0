/**
 * @module The devnet of one run, in a separate worker thread: started with the run, saved into the
 * run's folder when it stops, and restarted from there by later readers.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { DevnetCalls } from './devnet-thread.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { startThread } from './thread.ts';

export interface RunDevnet {
  readonly network: NetworkConfig;
  /** Idempotent. */
  stop(): Promise<void>;
}

const start = async (folder: string, seed?: string): Promise<RunDevnet> => {
  const thread = startThread<DevnetCalls>('devnet-thread', {});
  let stopping: Promise<void> | undefined;
  try {
    const network = await thread.call('start', {
      snapshot: snapshotOf(folder),
      ...(seed === undefined ? {} : { seed }),
      readOnly: seed === undefined,
    });
    return {
      network,
      stop: () =>
        (stopping ??= (async () => {
          // A reader does not save the devnet.
          if (seed !== undefined) await thread.call('stop', undefined);
          await thread.end();
        })()),
    };
  } catch (thrown) {
    await thread.end();
    throw thrown;
  }
};

const snapshotOf = (folder: string): string => join(folder, RUN_FILES.devnet);

/** Whether a run's folder holds a devnet: its own, and it has ended. */
export const holdsDevnet = async (folder: string): Promise<boolean> =>
  stat(join(snapshotOf(folder), 'manifest.json')).then(
    () => true,
    () => false,
  );

/** A new devnet, which stopping leaves in the folder. */
export const startRunDevnet = (folder: string, seed: string): Promise<RunDevnet> =>
  start(folder, seed);

/** The devnet that a folder holds, for reading. Other ports, the same objects. */
export const reopenRunDevnet = (folder: string): Promise<RunDevnet> => start(folder);
