/**
 * @module Waiting before another attempt: exponential, with full jitter over the upper half, so
 * that a hundred participants that lost one coordinator do not come back in one second.
 */
import { randomBelow, type RandomSource } from '../../../protocol/ports/random.ts';

export interface Backoff {
  /** Milliseconds before the first retry, at most. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * The longest wait stays well below the 30 s that a restarted coordinator gives everyone to come
 * back.
 */
export const DEFAULT_BACKOFF: Backoff = { baseMs: 500, maxMs: 10_000 };

/**
 * Milliseconds to wait before retry `attempt` (1, 2, ...): between half of min(max, base *
 * 2^(attempt - 1)) and all of it.
 */
export const backoffDelay = (
  { baseMs, maxMs }: Backoff,
  attempt: number,
  random: RandomSource,
): number => {
  const most = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 40));
  return most / 2 + (most / 2) * (randomBelow(random, 1 << 16) / (1 << 16));
};
