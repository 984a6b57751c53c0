/**
 * @module The replays of an engine, by batch size, made on first use. Only the most recently used
 * keep their memory in the executor.
 */

/** Sizes of batches whose replays stay loaded. */
const MOST_REPLAYS = 8;

interface Prepared {
  readonly replay: { dispose(): void | Promise<void> };
}

/** Gives the replay for batches of this size, to train or to evaluate. */
export type Prepare<Made extends Prepared> = (size: number, training: boolean) => Promise<Made>;

export interface ReplayCache<Made extends Prepared> {
  readonly prepare: Prepare<Made>;
  /** Frees every replay once it is made. */
  dispose(): void;
}

/** Keeps the results of `make`; a failure is not kept. */
export const cacheReplays = <Made extends Prepared>(make: Prepare<Made>): ReplayCache<Made> => {
  const prepared = new Map<string, Promise<Made>>();
  return {
    prepare: async (size, training) => {
      const key = `${size} ${String(training)}`;
      const made = prepared.get(key) ?? make(size, training);
      // The most recently used are at the end; the oldest ones free their memory.
      prepared.delete(key);
      prepared.set(key, made);
      for (const [oldest, replaced] of prepared) {
        if (prepared.size <= MOST_REPLAYS) break;
        prepared.delete(oldest);
        await (await replaced).replay.dispose();
      }
      try {
        return await made;
      } catch (thrown) {
        prepared.delete(key);
        throw thrown;
      }
    },
    dispose: () => {
      for (const made of prepared.values())
        void made.then(
          ({ replay }) => replay.dispose(),
          () => undefined,
        );
      prepared.clear();
    },
  };
};
