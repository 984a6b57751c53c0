/**
 * @module Long work in steps: a generator that yields how much it has done since the last step, in
 * units of its own. It runs at once, or with turns of the event loop in between, where sockets and
 * timers are served and an abort is noticed; the result is the same.
 */
import { FloeError } from './errors.ts';
import { eventLoopTurn } from './secagg/event-loop-turn.ts';

export type Steps<Result> = Generator<number, Result, void>;

/** Does all steps at once. */
export const atOnce = <Result>(steps: Steps<Result>): Result => {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};

export interface TurnOptions {
  /** Units between two turns, at least: less work has none. */
  readonly every: number;
  /** Noticed after each turn. */
  readonly signal?: AbortSignal | undefined;
  /** Told in each turn how much was done since the last one. */
  readonly onTurn?: ((done: number) => void) | undefined;
  /** Default: a turn of the event loop. */
  readonly turn?: (() => Promise<void>) | undefined;
}

/** @throws FloeError `aborted`, and what the steps throw */
export const inTurns = async <Result>(
  steps: Steps<Result>,
  { every, signal, onTurn, turn = eventLoopTurn }: TurnOptions,
): Promise<Result> => {
  let done = 0;
  for (;;) {
    if (signal?.aborted === true)
      throw new FloeError('aborted', 'The work was cancelled.', {}, { cause: signal.reason });
    const step = steps.next();
    if (step.done === true) return step.value;
    done += step.value;
    if (done < every) continue;
    onTurn?.(done);
    done = 0;
    // One step after the other: that is what turns are for.
    // oxlint-disable-next-line no-await-in-loop
    await turn();
  }
};
