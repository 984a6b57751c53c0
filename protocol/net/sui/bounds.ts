/**
 * @module Every call to a network of others ends: by its answer, by a deadline, or by the caller's
 * signal. Some calls of the SDKs take no signal and some never settle, so the deadline is raced
 * against them and not only handed to them.
 */
import { FloeError, toFloeError, type ErrorCode } from '../../errors.ts';
import { sleep, systemClock, type Clock } from '../../ports/clock.ts';
import { systemRandom, unitRandom, type RandomSource } from '../../ports/random.ts';

export interface Bounds {
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What a missed deadline is called. */
  readonly code: ErrorCode;
  /** Named in the error: `reading blob ...`. */
  readonly what: string;
  readonly clock?: Clock | undefined;
}

const cancelled = (): FloeError => new FloeError('aborted', 'The operation was cancelled.');

/**
 * Runs `work` with a signal that fires at the deadline or with the caller's.
 * @throws FloeError `aborted`, or `bounds.code` when the deadline passes
 */
export const bounded = async <Result>(
  { timeoutMs, signal, code, what, clock = systemClock }: Bounds,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> => {
  if (signal?.aborted === true) throw cancelled();
  const end = new AbortController();
  const limit = Promise.withResolvers<never>();
  const onAbort = (): void => limit.reject(cancelled());
  signal?.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(timeoutMs, () =>
    limit.reject(new FloeError(code, `${what}: no end after ${timeoutMs} ms`)),
  );
  try {
    return await Promise.race([work(end.signal), limit.promise]);
  } finally {
    cancel();
    signal?.removeEventListener('abort', onAbort);
    end.abort();
  }
};

export interface RetryPlan {
  readonly retries: number;
  /** Milliseconds before the first repeat; doubles. */
  readonly firstMs?: number;
  readonly longestMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
  /** Draws the pauses. Default the system's. */
  readonly random?: RandomSource;
  /** Retryable errors that are not to be tried again here. */
  readonly isFinal?: ((error: unknown) => boolean) | undefined;
  /** Told of every failure that is tried again. */
  readonly onRetry?: ((error: FloeError, attempt: number) => void) | undefined;
}

/**
 * Repeats `work` with growing pauses while it throws a retryable `FloeError`; anything else is
 * thrown at once. A pause is drawn from [b, 2b) and cut at `longestMs`; b doubles from `firstMs`
 * on.
 */
export const withRetry = async <Result>(
  plan: RetryPlan,
  work: (attempt: number) => Promise<Result>,
): Promise<Result> => {
  const { retries, firstMs = 200, longestMs = 5_000, signal, clock = systemClock } = plan;
  const { random = systemRandom, isFinal, onRetry } = plan;
  const mayRepeat = (error: unknown): error is FloeError =>
    error instanceof FloeError &&
    error.retryable &&
    error.code !== 'aborted' &&
    isFinal?.(error) !== true;
  for (let attempt = 1; ; attempt += 1) {
    if (signal?.aborted === true) throw cancelled();
    try {
      // Each attempt follows the one before.
      return await work(attempt);
    } catch (thrown) {
      if (attempt > retries || !mayRepeat(thrown)) throw thrown;
      onRetry?.(toFloeError(thrown), attempt);
      const pauseMs = firstMs * 2 ** (attempt - 1) * (1 + unitRandom(random));
      await sleep(clock, Math.min(longestMs, pauseMs), signal);
    }
  }
};
