/**
 * @module The clock of the coordinator's machine is set: rates of sessions, addresses and requests
 * count on. They are measured in monotonic time.
 */
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressGate } from '../../coordinator/addresses.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { manualClock } from '../../protocol/ports/clock.ts';

const YEAR = 365 * 86_400_000;

const socket = (port: number) =>
  ({
    remoteAddress: '192.0.2.7',
    remotePort: port,
    once: () => undefined,
    destroy: () => undefined,
  }) as unknown as Socket;

describe('a clock that was a year ahead and is set back', () => {
  it('refuses no connection of an address below its rate', () => {
    const real = manualClock(0);
    let offset = YEAR;
    const gate = addressGate(
      { ...DEFAULT_LIMITS, acceptsPerSecond: 1, acceptBurst: 1 },
      { ...real, now: () => real.now() + offset },
    );
    expect(gate.accept(socket(1))).toBe(true);
    offset = 0;
    expect(gate.accept(socket(2))).toBe(false);
    real.advance(1000);
    expect(gate.accept(socket(3))).toBe(true);
  });
});
