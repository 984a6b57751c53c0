/**
 * @module The devnet of one run, in a worker thread of its own: started with the run, saved into the run's folder when it stops,
 * started again from there by whoever reads the run later.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkConfig } from '../protocol/network.ts';
import type { DevnetCalls } from './devnet-thread.ts';
import { RUN_FILES } from './run-folder.ts';
import { startThread } from './thread.ts';

export interface RunDevnet {
  readonly network: NetworkConfig;
  /** Idempotent. */
  stop(): Promise<void>;
}

const start = async (folder: string, seed: string, keeps: boolean): Promise<RunDevnet> => {
  const thread = startThread<DevnetCalls>('devnet-thread', {});
  let stopping: Promise<void> | undefined;
  try {
    const network = await thread.call('start', {
      seed,
      snapshot: snapshotOf(folder),
      readOnly: !keeps,
    });
    return {
      network,
      stop: () =>
        (stopping ??= (async () => {
          if (keeps) await thread.call('stop', undefined);
          await thread.end();
        })()),
    };
  } catch (thrown) {
    await thread.end();
    throw thrown;
  }
};

/** Where a run's folder keeps its devnet. */
export const snapshotOf = (folder: string): string => join(folder, RUN_FILES.devnet, 'snapshot');

/** A new devnet, which stopping leaves in the folder. */
export const startRunDevnet = async (folder: string, seed: string): Promise<RunDevnet> => {
  await mkdir(join(folder, RUN_FILES.devnet), { recursive: true });
  return start(folder, seed, true);
};

/** The devnet that a folder holds, for reading: the folder stays as it is. Other ports, the same objects. */
export const reopenRunDevnet = (folder: string, seed: string): Promise<RunDevnet> =>
  start(folder, seed, false);
