/**
 * @module A clock for tests that runs faster than the machine's.
 */
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';

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
