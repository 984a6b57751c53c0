/**
 * @module One thing at a time: transactions of one signer conflict on its gas coin, so each signer
 * of the devnet has a queue.
 */

/** Runs tasks in the order they are given, each after the one before has ended, whichever way. */
export class TaskQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    // The failure belongs to whoever asked; the next task starts all the same.
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
