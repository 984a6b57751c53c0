/**
 * @module Works through the points of a sweep, several at once while memory allows. The first of
 * those that wait always starts when nothing runs, so the sweep ends on any machine.
 */

/** Bytes that a run is taken to need until one has ended and told what it used. */
export const ASSUMED_BYTES = 2 ** 30;
/** Part of the memory that is left to others. */
const SPARE = 0.1;

export interface Machine {
  readonly cores: number;
  /** Bytes that could be used now. */
  readonly available: () => number;
}

/** How many runs at once: one for each core, as memory allows, at least one. */
export const jobsFor = ({ cores, available }: Machine, points: number): number =>
  Math.max(1, Math.min(points, cores, Math.floor((available() * (1 - SPARE)) / ASSUMED_BYTES)));

export interface PoolInit<Item> {
  readonly items: readonly Item[];
  /** Runs at once, at most. */
  readonly jobs: number;
  readonly machine: Pick<Machine, 'available'>;
  /** Runs one to its end; failures are its own matter. @returns bytes of memory that it used */
  readonly run: (item: Item) => Promise<number | undefined>;
  /** No further item is begun once it fires. */
  readonly signal: AbortSignal;
}

/** Resolves when every item that was begun has ended. */
export const runPool = async <Item>(init: PoolInit<Item>): Promise<void> => {
  const { items, jobs, machine, run, signal } = init;
  const waiting = [...items];
  const running = new Set<Promise<void>>();
  let most: number | undefined;
  const fits = (): boolean => {
    if (running.size === 0) return true;
    if (running.size >= jobs) return false;
    return machine.available() * (1 - SPARE) >= (most ?? ASSUMED_BYTES);
  };
  while (waiting.length > 0 || running.size > 0) {
    while (waiting.length > 0 && !signal.aborted && fits()) {
      const item = waiting.shift() as Item;
      const job = (async () => {
        const used = await run(item);
        most = Math.max(most ?? 0, used ?? 0) || most;
      })();
      const ended = job.finally(() => running.delete(ended));
      running.add(ended);
    }
    if (running.size === 0) return;
    await Promise.race(running);
  }
};
