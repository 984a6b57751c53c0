/**
 * @module Calls that hang instead of failing. A port that does not answer for a while is
 * reported before any deadline ends, once for each time that it stops answering.
 */
import type { Clock } from './clock.ts';

/** Milliseconds after which a pending call is reported. */
export const PENDING_MS = 10_000;

/**
 * The same port; a call that has lasted for {@link PENDING_MS} is reported to `onPending`, and the
 * next such call only after one has ended well.
 *
 * @param onPending is given the name of the method
 */
export const watchCalls = <Port extends object>(
  port: Port,
  clock: Clock,
  onPending: (method: string) => void,
): Port => {
  let isTold = false;
  const watched = async (method: string, result: Promise<unknown>): Promise<unknown> => {
    const cancel = clock.after(PENDING_MS, () => {
      if (!isTold) onPending(method);
      isTold = true;
    });
    try {
      const value = await result;
      isTold = false;
      return value;
    } finally {
      cancel();
    }
  };
  return new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, args);
        return result instanceof Promise ? watched(String(name), result) : result;
      };
    },
  });
};
