/**
 * @module The clock of a simulated coordinator: real time that can leap and stand still. It leaps
 * over the grace that a lost participant is given, so that no round waits for somebody whom the
 * scenario keeps away, and it stands still between rounds until everybody is back, so that who is
 * invited does not depend on how fast they reconnect.
 */
import { systemClock, type Clock } from '../protocol/ports/clock.ts';

export interface ScenarioClock extends Clock {
  /** Moves time forward, and what is due fires soon after; does nothing while frozen. */
  leap(ms: number): void;
  freeze(): void;
  thaw(): void;
}

interface Timer {
  readonly at: number;
  readonly callback: () => void;
  cancel: () => void;
}

export const scenarioClock = (base: Clock = systemClock): ScenarioClock => {
  let offset = 0;
  let frozenAt: number | undefined;
  const timers = new Set<Timer>();
  const now = (): number => frozenAt ?? base.now() + offset;
  const arm = (timer: Timer): void => {
    timer.cancel();
    timer.cancel =
      frozenAt !== undefined && timer.at > frozenAt
        ? () => undefined
        : base.at(base.now() + Math.max(0, timer.at - now()), () => {
            timers.delete(timer);
            timer.callback();
          });
  };
  const armAll = (): void => {
    for (const timer of timers) arm(timer);
  };
  const at: Clock['at'] = (time, callback) => {
    const timer: Timer = { at: time, callback, cancel: () => undefined };
    timers.add(timer);
    arm(timer);
    return () => {
      timers.delete(timer);
      timer.cancel();
    };
  };
  return {
    now,
    // The leaps are the scenario's own, and durations are meant to see them.
    monotonic: now,
    at,
    after: (ms, callback) => at(now() + ms, callback),
    leap: (ms) => {
      if (frozenAt !== undefined) return;
      offset += ms;
      armAll();
    },
    freeze: () => {
      if (frozenAt !== undefined) return;
      frozenAt = now();
      armAll();
    },
    thaw: () => {
      if (frozenAt === undefined) return;
      offset = frozenAt - base.now();
      frozenAt = undefined;
      armAll();
    },
  };
};

/** Time that runs `factor` times as fast: pauses between attempts to reconnect shrink with it. */
export const quickClock = (factor: number, base: Clock = systemClock): Clock => {
  const start = base.now();
  return {
    now: () => start + (base.now() - start) * factor,
    monotonic: () => base.monotonic() * factor,
    at: (at, callback) => base.at(start + (at - start) / factor, callback),
    after: (ms, callback) => base.after(ms / factor, callback),
  };
};
