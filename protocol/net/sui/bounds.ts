/**
 * @module Every call to a network of others ends: by its answer, by a deadline, or by the caller's signal. Some calls of the
 * SDKs take no signal and some never settle, so the deadline is raced against them and not only handed to them.
 */
import pRetry from 'p-retry';
import { FloeError, toFloeError, type ErrorCode } from '../../errors.ts';

export interface Bounds {
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What a missed deadline is called. */
  readonly code: ErrorCode;
  /** Named in the error: `reading blob ...`. */
  readonly what: string;
}

const cancelled = (): FloeError => new FloeError('aborted', 'The operation was cancelled.');

/**
 * Runs `work` with a signal that fires at the deadline or with the caller's.
 * @throws FloeError `aborted`, or `bounds.code` when the deadline passes
 */
export const bounded = async <Result>(
  { timeoutMs, signal, code, what }: Bounds,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> => {
  if (signal?.aborted === true) throw cancelled();
  const end = new AbortController();
  const limit = Promise.withResolvers<never>();
  const onAbort = (): void => limit.reject(cancelled());
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(
    () => limit.reject(new FloeError(code, `${what}: no end after ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([work(end.signal), limit.promise]);
  } finally {
    clearTimeout(timer);
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
  /** Retryable errors that are not to be tried again here. */
  readonly isFinal?: ((error: unknown) => boolean) | undefined;
  /** Told of every failure that is tried again. */
  readonly onRetry?: ((error: FloeError, attempt: number) => void) | undefined;
}

/** Repeats `work` with growing pauses while it throws a retryable `FloeError`; anything else is thrown at once. */
export const withRetry = async <Result>(
  { retries, firstMs = 200, longestMs = 5_000, signal, isFinal, onRetry }: RetryPlan,
  work: (attempt: number) => Promise<Result>,
): Promise<Result> => {
  const mayRepeat = (error: unknown): boolean =>
    error instanceof FloeError &&
    error.retryable &&
    error.code !== 'aborted' &&
    isFinal?.(error) !== true;
  try {
    return await pRetry(work, {
      retries,
      minTimeout: firstMs,
      maxTimeout: longestMs,
      factor: 2,
      randomize: true,
      ...(signal === undefined ? {} : { signal }),
      shouldRetry: ({ error }) => mayRepeat(error),
      onFailedAttempt: ({ error, attemptNumber, retriesLeft }) => {
        if (retriesLeft > 0 && mayRepeat(error)) onRetry?.(toFloeError(error), attemptNumber);
      },
    });
  } catch (thrown) {
    if (signal?.aborted === true && !(thrown instanceof FloeError)) throw cancelled();
    throw thrown;
  }
};
