/**
 * @module The devnet of a simulation, in a worker: its servers answer while the others train.
 */
import { parseNetworkConfig, type NetworkConfig } from '../protocol/network.ts';
import { FloeError } from '../protocol/errors.ts';
import { startDevnet, type Devnet } from './devnet/index.ts';
import { compiledFloe } from './devnet/move/index.ts';
import { answerCalls } from './thread.ts';

let devnet: Devnet | undefined;

const calls = {
  start: async ({
    seed,
    snapshot,
  }: {
    /** Of a new devnet; without it the snapshot's goes on. */
    readonly seed?: string;
    /** Folder: what it holds is gone on from; written when the devnet stops. */
    readonly snapshot: string;
  }): Promise<NetworkConfig> => {
    if (devnet !== undefined) throw new FloeError('internal', 'the devnet runs already');
    const fresh = { nodes: 4, shardsPerNode: 13, floePackage: compiledFloe() };
    devnet = await startDevnet({ snapshot, ...(seed === undefined ? {} : { seed, ...fresh }) });
    return parseNetworkConfig(devnet.config);
  },
  stop: async (): Promise<void> => {
    await devnet?.stop();
    devnet = undefined;
  },
} as const;
export type DevnetCalls = typeof calls;

answerCalls(calls);
