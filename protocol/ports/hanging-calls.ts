/**
 * @module Calls that hang instead of failing. A port that does not answer for a while is
 * reported before any deadline ends, once for each time that it stops answering.
 */
import type { Clock } from './clock.ts';

/** Milliseconds after which a pending call is reported. */
export const PENDING_MS = 10_000;

export interface WatchOptions {
  /** Milliseconds after which a call is reported. Default: {@link PENDING_MS}. */
  readonly afterMs?: (method: string, args: readonly unknown[]) => number;
  /** Given the milliseconds of the reported call, when the port answers after all. */
  readonly onAnswer?: (milliseconds: number) => void;
}

/**
 * The same port; a call that has lasted for `afterMs` is reported to `onPending`, and the next such
 * call only after one has ended well.
 *
 * @param onPending is given the name of the method and the milliseconds that it has lasted
 */
export const watchCalls = <Port extends object>(
  port: Port,
  clock: Clock,
  onPending: (method: string, milliseconds: number) => void,
  { afterMs = () => PENDING_MS, onAnswer }: WatchOptions = {},
): Port => {
  let toldSince: number | undefined;
  const watched = async (
    method: string,
    args: readonly unknown[],
    result: Promise<unknown>,
  ): Promise<unknown> => {
    const since = clock.monotonic();
    const limit = afterMs(method, args);
    const cancel = clock.after(limit, () => {
      if (toldSince !== undefined) return;
      toldSince = since;
      onPending(method, limit);
    });
    try {
      const value = await result;
      if (toldSince !== undefined) onAnswer?.(clock.monotonic() - toldSince);
      toldSince = undefined;
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
        return result instanceof Promise ? watched(String(name), args, result) : result;
      };
    },
  });
};
