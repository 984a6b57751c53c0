/**
 * @module The run clock. It starts at the time in the journal or at the wall clock, whichever is
 * later, and advances with monotonic time: a jump of the wall clock moves no deadline. It is paused
 * while the disk rejects writes, because participants must not miss a deadline that they could not
 * meet.
 */
import type { Clock } from '../protocol/ports/clock.ts';

export interface RunClock {
  /** Milliseconds, whole; never goes back. */
  now(): number;
  /** Calls `callback` once at or after `at`; a paused clock delays it. Returns its cancellation. */
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
