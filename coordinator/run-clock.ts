/**
 * @module The run's own time: it begins where the journal left it or at the wall clock, whichever
 * is later, and continues with monotonic time. A wall clock that jumps moves no deadline; while the
 * disk takes no write, time stands still, so that nobody is late for what could not be
 * acknowledged.
 */
import type { Clock } from '../protocol/ports/clock.ts';

export interface RunClock {
  /** Milliseconds, whole; never goes back. */
  now(): number;
  /** Calls `callback` once at or after `at`, unless time stands still until it is cancelled. */
  at(at: number, callback: () => void): () => void;
  hold(): void;
  release(): void;
}

/** @param from the run's time at its last event */
export const runClock = (clock: Clock, from: number): RunClock => {
  const base = Math.max(from, Math.floor(clock.now()));
  const origin = clock.monotonic();
  let held: number | undefined;
  let lost = 0;
  const elapsed = (): number => (held ?? clock.monotonic()) - origin - lost;
  const now = (): number => base + Math.floor(elapsed());
  return {
    now,
    at: (at, callback) => {
      if (held !== undefined) return () => undefined;
      return clock.after(Math.max(0, at - base - elapsed()), callback);
    },
    hold: () => {
      held ??= clock.monotonic();
    },
    release: () => {
      if (held === undefined) return;
      lost += clock.monotonic() - held;
      held = undefined;
    },
  };
};
