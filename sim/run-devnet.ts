/**
 * @module The devnet of one run, in a separate worker thread: started with the run, saved into the
 * run's folder when it stops, and restarted from there by later readers. Its state after each
 * commit is kept until the run is over, for a run that is resumed.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { DevnetCalls } from './devnet-thread.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { startThread } from './thread.ts';

export interface RunDevnet {
  readonly network: NetworkConfig;
  /** Keeps the state after an attempt that was committed. */
  pin(attempt: number): Promise<void>;
  /** Idempotent. @param isOver whether the run is, and is not resumed */
  stop(isOver: boolean): Promise<void>;
}

const start = async (folder: string, seed?: string, pinned?: number): Promise<RunDevnet> => {
  const thread = startThread<DevnetCalls>('devnet-thread', {});
  let stopping: Promise<void> | undefined;
  try {
    const network = await thread.call('start', {
      snapshot: snapshotOf(folder),
      ...(seed === undefined ? {} : { seed }),
      readOnly: seed === undefined,
      ...(pinned === undefined ? {} : { pinned }),
    });
    return {
      network,
      pin: (attempt) => thread.call('pin', attempt),
      stop: (isOver) =>
        (stopping ??= (async () => {
          // A reader does not save the devnet.
          if (seed !== undefined) await thread.call('stop', isOver);
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

/**
 * A new devnet, which stopping leaves in the folder; or that of an earlier part of the run, at
 * other ports.
 *
 * @param attempt the last one of the earlier part, after which its state was kept
 */
export const startRunDevnet = (
  folder: string,
  seed: string,
  attempt?: number,
): Promise<RunDevnet> => start(folder, seed, attempt);

/** The devnet that a folder holds, for reading. Other ports, the same objects. */
export const reopenRunDevnet = (folder: string): Promise<RunDevnet> => start(folder);
