/**
 * @module The replays of an engine, by batch size, made on first use. Only the most recently used
 * keep their buffers on the device.
 */
import type { Replay } from '../recorded/webgpu/replay.ts';

/** Sizes of batches whose buffers stay on the device. */
const MOST_REPLAYS = 8;

/** A replay, with what each of its steps draws: how many numbers for which dropout layer. */
export interface Prepared {
  readonly replay: Replay;
  readonly draws: readonly { readonly layer: number; readonly size: number }[];
}

/** Gives the replay for batches of this size, to train or to evaluate. */
export type Prepare = (size: number, training: boolean) => Promise<Prepared>;

/** Keeps what `make` makes; a failure is not kept. */
export const cacheReplays = (make: Prepare): Prepare => {
  const prepared = new Map<string, Promise<Prepared>>();
  return async (size, training) => {
    const key = `${size} ${String(training)}`;
    const known = prepared.get(key);
    const made = known ?? make(size, training);
    // The most recently used are at the end; the oldest ones free their memory.
    prepared.delete(key);
    prepared.set(key, made);
    for (const [oldest, replaced] of prepared) {
      if (prepared.size <= MOST_REPLAYS) break;
      prepared.delete(oldest);
      const { replay } = await replaced;
      replay.dispose();
    }
    try {
      return await made;
    } catch (thrown) {
      prepared.delete(key);
      throw thrown;
    }
  };
};
