/**
 * @module The clock of a simulated coordinator: real time that can leap and stand still. It leaps over the grace that a lost
 * participant is given, so that no round waits for somebody whom the scenario keeps away, and it stands still between
 * rounds until everybody is back, so that who is invited does not depend on how fast they reconnect.
 */
import { systemClock, type Clock } from '../protocol/clock.ts';

export interface ScenarioClock extends Clock {
  /** Moves time forward; what is due fires soon after. */
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
  return {
    now,
    at: (at, callback) => {
      const timer: Timer = { at, callback, cancel: () => undefined };
      timers.add(timer);
      arm(timer);
      return () => {
        timers.delete(timer);
        timer.cancel();
      };
    },
    leap: (ms) => {
      if (frozenAt === undefined) offset += ms;
      else frozenAt += ms;
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
    at: (at, callback) => base.at(start + (at - start) / factor, callback),
  };
};
