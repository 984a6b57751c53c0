/**
 * @module The compliance suite of the Clock port.
 */
import { FloeError } from '../protocol/errors.ts';
import { sleep, type Clock } from '../protocol/ports/clock.ts';
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';

export interface ClockFixture {
  readonly clock: Clock;
  /** Lets `ms` of this clock's time pass. What is due by then has been called when it resolves. */
  pass(ms: number): Promise<void>;
  close?(): Promise<void>;
}

export const clockSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<ClockFixture>,
): void => {
  describe(`Clock: ${name}`, () => {
    const withFixture = withFixtures(open);

    it(
      'calls once after a duration, and not before',
      withFixture(async ({ clock, pass }) => {
        let calls = 0;
        clock.after(100, () => (calls += 1));
        await pass(90);
        expect(calls).toBe(0);
        await pass(20);
        expect(calls).toBe(1);
        await pass(500);
        expect(calls).toBe(1);
      }),
    );

    it(
      'calls once at a time, and what is due at once not from within the call',
      withFixture(async ({ clock, pass }) => {
        const calls: string[] = [];
        clock.at(clock.now() + 100, () => calls.push('later'));
        clock.at(clock.now() - 1000, () => calls.push('past'));
        clock.after(0, () => calls.push('now'));
        expect(calls).toEqual([]);
        await pass(50);
        expect(calls.toSorted()).toEqual(['now', 'past']);
        await pass(60);
        expect(calls.toSorted()).toEqual(['later', 'now', 'past']);
      }),
    );

    it(
      'calls in the order of time, whatever the order of asking',
      withFixture(async ({ clock, pass }) => {
        const calls: number[] = [];
        for (const ms of [300, 100, 200]) clock.after(ms, () => calls.push(ms));
        await pass(400);
        expect(calls).toEqual([100, 200, 300]);
      }),
    );

    it(
      'does not call what was cancelled; to cancel late or twice does nothing',
      withFixture(async ({ clock, pass }) => {
        let calls = 0;
        const cancel = clock.after(50, () => (calls += 1));
        const cancelAt = clock.at(clock.now() + 50, () => (calls += 1));
        cancel();
        cancelAt();
        cancel();
        const late = clock.after(10, () => (calls += 1));
        await pass(100);
        late();
        expect(calls).toBe(1);
      }),
    );

    it(
      'shows as much time as has passed, and monotonic time never goes back',
      withFixture(async ({ clock, pass }) => {
        const [wall, steady] = [clock.now(), clock.monotonic()];
        await pass(250);
        // A timer may come a little late, never early; a millisecond is the grain of wall time.
        expect(clock.now() - wall).toBeGreaterThanOrEqual(249);
        expect(clock.monotonic() - steady).toBeGreaterThanOrEqual(249);
        const seen = Array.from({ length: 100 }, () => clock.monotonic());
        expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
      }),
    );

    it(
      'lets a sleeper sleep, and wakes it when it is told to stop',
      withFixture(async ({ clock, pass }) => {
        let isAwake = false;
        const sleeping = sleep(clock, 100).then(() => (isAwake = true));
        await pass(50);
        expect(isAwake).toBe(false);
        await pass(60);
        await sleeping;
        expect(isAwake).toBe(true);
        const stop = new AbortController();
        const cancelled = sleep(clock, 1e9, stop.signal).catch((thrown: unknown) => thrown);
        stop.abort();
        const thrown = await cancelled;
        expect(thrown).toBeInstanceOf(FloeError);
        expect(thrown).toMatchObject({ code: 'aborted' });
      }),
    );
  });
};
