/**
 * @module Time, passed in everywhere, so that tests and simulations can play deadlines without
 * waiting for them.
 */
import { FloeError } from '../errors.ts';

export interface Clock {
  /**
   * Milliseconds since the Unix epoch, as the machine believes: it may jump, so no duration is
   * measured with it.
   */
  now(): number;
  /** Milliseconds from an arbitrary origin; never goes back and never jumps. */
  monotonic(): number;
  /**
   * Calls `callback` once, `at - now()` after the call at the earliest. Returns a function that
   * cancels it.
   */
  at(at: number, callback: () => void): () => void;
  /**
   * Calls `callback` once, after `ms` of the monotonic time at the earliest. Returns a function
   * that cancels it.
   */
  after(ms: number, callback: () => void): () => void;
}

/** setTimeout cannot wait longer than this; a later deadline is reached in steps. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

const callAfter = (ms: number, callback: () => void): (() => void) => {
  const end = performance.now() + ms;
  let timer: ReturnType<typeof setTimeout>;
  const arm = (): void => {
    const left = end - performance.now();
    timer =
      left > LONGEST_TIMEOUT
        ? setTimeout(arm, LONGEST_TIMEOUT)
        : setTimeout(callback, Math.max(0, left));
  };
  arm();
  return () => clearTimeout(timer);
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  at: (at, callback) => callAfter(at - Date.now(), callback),
  after: callAfter,
};

/** Resolves after `ms`. @throws FloeError `aborted` when `signal` fires first. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(new FloeError('aborted', 'The operation was cancelled.'));
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });

/**
 * A signal that fires once `ms` have passed on `clock`, or with `signal`.
 * @returns the signal, and what releases the timer: call it when the work has ended
 */
export const deadline = (
  clock: Clock,
  ms: number,
  signal?: AbortSignal,
): { readonly signal: AbortSignal; readonly release: () => void } => {
  const late = new AbortController();
  const release = clock.after(ms, () =>
    late.abort(new DOMException(`no end after ${ms} ms`, 'TimeoutError')),
  );
  return {
    signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    release,
  };
};

/** A clock that moves only when the caller advances it. */
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
  const at: Clock['at'] = (time, callback) => {
    const id = sequence;
    sequence += 1;
    timers.set(id, { at: time, callback });
    return () => timers.delete(id);
  };
  return {
    now: () => now,
    monotonic: () => now,
    at,
    after: (ms, callback) => at(now + ms, callback),
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
