/**
 * @module One thing at a time, in the order of asking: two transactions of one signer at once use
 * the same coins and make each other fail, two claims of one model must see each other.
 */

export interface SerialQueue {
  /** Runs `work` after everything queued before it has ended, however it ended. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

export const serialQueue = (): SerialQueue => {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (work) => {
      const result = last.then(work);
      // The next one waits for the end, not for success; whoever asked sees the failure.
      last = result.then(
        () => undefined,
        () => undefined,
      );
      return result;
    },
  };
};
