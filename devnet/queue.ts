/**
 * @module Runs one task at a time: transactions of one signer conflict on its gas coin, so each
 * signer of the devnet has a queue.
 */

/** Runs tasks in the order they are given, each after the one before has ended, whichever way. */
export class TaskQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    // The caller of the failed task gets the error; the next task starts anyway.
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
