/**
 * @module Time, passed in everywhere, so that tests and simulations can play deadlines without waiting for them.
 */
import { FloeError } from './errors.ts';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `callback` once at or after `at` (ms since the epoch). Returns a function that cancels it. */
  at(at: number, callback: () => void): () => void;
}

/** setTimeout cannot wait longer than this; a later deadline is reached in steps. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  at: (at, callback) => {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (): void => {
      const left = at - Date.now();
      timer =
        left > LONGEST_TIMEOUT
          ? setTimeout(arm, LONGEST_TIMEOUT)
          : setTimeout(callback, Math.max(0, left));
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`. @throws FloeError `aborted` when `signal` fires first. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(new FloeError('aborted', 'The operation was cancelled.'));
    };
    const cancel = clock.at(clock.now() + ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves time forward and fires what is due, in order. */
  advance(ms: number): void;
  /** The time of the next timer, if there is one. */
  next(): number | undefined;
}

export const manualClock = (start = 0): ManualClock => {
  let now = start;
  let sequence = 0;
  const timers = new Map<number, { readonly at: number; readonly callback: () => void }>();
  const due = (): [number, { at: number; callback: () => void }] | undefined =>
    [...timers].toSorted(([a, x], [b, y]) => x.at - y.at || a - b)[0];
  return {
    now: () => now,
    at: (at, callback) => {
      const id = sequence;
      sequence += 1;
      timers.set(id, { at, callback });
      return () => timers.delete(id);
    },
    next: () => due()?.[1].at,
    advance: (ms) => {
      const end = now + ms;
      for (let timer = due(); timer && timer[1].at <= end; timer = due()) {
        timers.delete(timer[0]);
        now = Math.max(now, timer[1].at);
        timer[1].callback();
      }
      now = end;
    },
  };
};
