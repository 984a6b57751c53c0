/**
 * @module Waits for a store, gate or ledger that fails: retries with backoff while the attempt
 * lasts, and at most for the time that the participant allows. The caller receives one event with
 * the reason, and the coordinator one report; its abort record then names the cause.
 */
import { sleep, type Clock } from '../../../protocol/ports/clock.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { RandomSource } from '../../../protocol/ports/random.ts';
import { backoffDelay, type Backoff } from './backoff.ts';
import { judge, PortFault } from '../machine/verdict.ts';

export interface PatienceInit {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly backoff: Backoff;
  /** Milliseconds from the first failure on. */
  readonly patienceMs: number;
  /** Ends with the attempt. */
  readonly signal: AbortSignal;
  /** Called at the first failure, and where the code of a later one is another. */
  readonly onWaiting: (fault: PortFault) => void;
  /** Called when what was waited for answers. */
  readonly onOver: (fault: PortFault, milliseconds: number) => void;
}

/** Calls until it succeeds or fails with anything but an outage. */
export type Wait = <Result>(call: () => Promise<Result>) => Promise<Result>;

export const patience =
  (init: PatienceInit): Wait =>
  async (call) => {
    const { clock, random, backoff, patienceMs, signal } = init;
    let failedAt: number | undefined;
    let code: ErrorCode | undefined;
    let last: PortFault | undefined;
    for (let attempt = 1; ; attempt += 1)
      try {
        const result = await call();
        if (last !== undefined)
          init.onOver(last, clock.monotonic() - (failedAt ?? clock.monotonic()));
        return result;
      } catch (thrown) {
        const isOutage = thrown instanceof PortFault && judge(thrown, 'work') === 'outage';
        const delayMs = backoffDelay(backoff, attempt, random);
        failedAt ??= clock.monotonic();
        const isLate = clock.monotonic() + delayMs - failedAt > patienceMs;
        if (!isOutage || isLate || signal.aborted) throw thrown;
        if (thrown.code !== code) init.onWaiting(thrown);
        ({ code } = thrown);
        last = thrown;
        await sleep(clock, delayMs, signal);
      }
  };
