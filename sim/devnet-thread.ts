/**
 * @module The devnet of a simulation, in a worker: its servers answer while the others train.
 */
import { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';
import { FloeError } from '../protocol/errors.ts';
import { startDevnet, type Devnet } from '../devnet/index.ts';
import { compiledFloe } from '../devnet/move/index.ts';
import { answerCalls } from './thread.ts';

let devnet: Devnet | undefined;

const calls = {
  start: async ({
    seed,
    snapshot,
    readOnly,
  }: {
    /** Of a new devnet; without it the snapshot's goes on. */
    readonly seed?: string;
    /** A folder: gone on from if it is there, written when the devnet stops. */
    readonly snapshot: string;
    /** It must be there, and stays as it is. */
    readonly readOnly: boolean;
  }): Promise<NetworkConfig> => {
    if (devnet !== undefined) throw new FloeError('internal', 'the devnet runs already');
    const fresh = seed === undefined ? {} : { seed, floePackage: compiledFloe() };
    devnet = await startDevnet({ snapshot, readOnly, ...fresh });
    return parseNetworkConfig(devnet.config);
  },
  stop: async (): Promise<void> => {
    await devnet?.stop();
    devnet = undefined;
  },
} as const;
export type DevnetCalls = typeof calls;

answerCalls(calls);
