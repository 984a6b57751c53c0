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
  /** `snapshot` is a folder that the devnet goes on from and is saved to. */
  start: async ({
    seed,
    snapshot,
  }: {
    readonly seed: string;
    readonly snapshot?: string | undefined;
  }): Promise<NetworkConfig> => {
    if (devnet !== undefined) throw new FloeError('internal', 'the devnet runs already');
    devnet = await startDevnet({
      seed,
      ...(snapshot === undefined ? {} : { snapshot }),
      floePackage: compiledFloe(),
    });
    return parseNetworkConfig(devnet.config);
  },
  /** Brings the snapshot up to date; cheap enough for the end of a round. */
  save: async (): Promise<void> => {
    await devnet?.save();
  },
  stop: async (): Promise<void> => {
    await devnet?.stop();
    devnet = undefined;
  },
} as const;
export type DevnetCalls = typeof calls;

answerCalls(calls);
