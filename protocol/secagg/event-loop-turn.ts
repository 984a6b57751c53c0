/**
 * @module A turn of the event loop in the middle of long work, so that sockets and timers are
 * served. Not a clock.
 */

/** Resolves in a later turn of the event loop (a task, not a microtask). */
export const eventLoopTurn = async (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof globalThis.setImmediate === 'function') {
      globalThis.setImmediate(resolve);
      return;
    }
    // In browsers setTimeout would cost 4 ms a turn.
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
