/**
 * @module The clock of a simulated coordinator: real time that can leap and pause. It leaps over
 * the grace time of a lost participant, because no round should wait for a participant that the
 * scenario keeps away. It pauses between rounds until all participants are back, because the speed
 * of reconnection must not decide who is invited.
 */
import { systemClock, type Clock } from '../protocol/ports/clock.ts';

export interface ScenarioClock extends Clock {
  /** Advances the time; due timers fire soon after. Does nothing while paused. */
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
