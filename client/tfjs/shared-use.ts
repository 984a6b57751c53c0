/**
 * @module What trainers over one model need to share it: calls that wait for each other, and a
 * count of those that still hold it.
 */
export type Alone = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs one call after another. */
export const queue = (): Alone => {
  let last: Promise<unknown> = Promise.resolve();
  return async <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result;
    return result;
  };
};

/** Counts who holds something; the last one to let go ends it. */
export const holders = (end: () => void): (() => () => void) => {
  let count = 0;
  return () => {
    let held = true;
    count++;
    return () => {
      if (!held) return;
      held = false;
      count--;
      if (count === 0) end();
    };
  };
};
