/**
 * @module What the coordinator accepts from outside, in numbers. Everything beyond is refused by name.
 */
import { MAX_FRAME_BYTES } from '../protocol/messages.ts';

export interface Limits {
  /** Bytes of one frame. */
  readonly frameBytes: number;
  /** Frames a session may send each second on average, and at once. */
  readonly framesPerSecond: number;
  readonly frameBurst: number;
  /** Open connections, and how many of them may not have logged in yet. */
  readonly connections: number;
  readonly pendingLogins: number;
  /** Milliseconds a connection has to log in. */
  readonly loginTimeoutMs: number;
  /** Bytes queued for one peer before it counts as too slow. */
  readonly bufferedBytes: number;
  /** Bytes of one uploaded blob. */
  readonly blobBytes: number;
  /** Blobs that one participant may upload in a minute. */
  readonly blobsPerMinute: number;
  /** Milliseconds between WebSocket pings; who misses one is dead at the next. */
  readonly heartbeatMs: number;
  /** Milliseconds between two looks at what blobs are paid for and what coins are left, on a network. */
  readonly upkeepMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  frameBytes: MAX_FRAME_BYTES,
  framesPerSecond: 50,
  frameBurst: 200,
  connections: 2048,
  pendingLogins: 256,
  loginTimeoutMs: 10_000,
  bufferedBytes: 4 * MAX_FRAME_BYTES,
  blobBytes: 2 ** 30,
  blobsPerMinute: 30,
  heartbeatMs: 15_000,
  upkeepMs: 600_000,
};

/** A token bucket: `rate` tokens a second, at most `burst` of them saved up. */
export interface TokenBucket {
  /** Takes one token at time `now` (ms); false when there is none. */
  take(now: number): boolean;
}

export const tokenBucket = (rate: number, burst: number, start: number): TokenBucket => {
  let tokens = burst;
  let last = start;
  return {
    take: (now) => {
      tokens = Math.min(burst, tokens + (Math.max(0, now - last) * rate) / 1000);
      last = Math.max(last, now);
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
};
