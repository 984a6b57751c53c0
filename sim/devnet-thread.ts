/**
 * @module The devnet of a simulation, in a worker: its servers answer while the others train.
 */
import { startDevnet, type Devnet } from 'floe-devnet';
import { FloeError } from '../protocol/errors.ts';
import { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';
import { floeErrorOf, floePackages, networkFileOf } from '../move/floe-devnet.ts';
import { answerCalls } from './thread.ts';

let devnet: Devnet | undefined;

const calls = {
  start: async ({
    seed,
    snapshot,
    readOnly,
    pinned,
  }: {
    /** Of a new devnet; without it the snapshot's is resumed. */
    readonly seed?: string;
    /** A folder: resumed from if it is there, written when the devnet stops. */
    readonly snapshot: string;
    /** The folder must exist and is not changed. */
    readonly readOnly: boolean;
    /** The state to continue from, where not from the newest. */
    readonly pinned?: number;
  }): Promise<NetworkConfig> => {
    if (devnet !== undefined) throw new FloeError('internal', 'the devnet runs already');
    const fresh = seed === undefined ? {} : { seed, packages: floePackages() };
    try {
      devnet = await startDevnet({
        snapshot,
        readOnly,
        ...(pinned === undefined ? {} : { pinned }),
        ...fresh,
      });
    } catch (thrown) {
      throw floeErrorOf(thrown);
    }
    return parseNetworkConfig(networkFileOf(devnet.config));
  },
  /** Keeps the state by the number of the attempt that was committed. */
  pin: async (attempt: number): Promise<void> => {
    await devnet?.pin(attempt);
  },
  /** @param isOver the run is: nobody continues from a pinned state */
  stop: async (isOver: boolean): Promise<void> => {
    if (isOver) await devnet?.unpin();
    await devnet?.stop();
    devnet = undefined;
  },
} as const;
export type DevnetCalls = typeof calls;

answerCalls(calls);
