/**
 * @module The coordinator's limits on input from outside. Input over a limit is refused with a
 * named error. All of the numbers are in this file; docs/security.md describes the threat behind
 * each.
 */
import {
  MAX_CLIENT_FRAME_BYTES,
  MAX_FRAME_BYTES,
  MAX_LOGIN_BYTES,
} from '../protocol/wire/messages.ts';

export interface Limits {
  /** Bytes of one frame of a participant that has logged in. */
  readonly frameBytes: number;
  /** Bytes in total that a connection may send until it has logged in. */
  readonly loginBytes: number;
  /** Frames a session may send each second on average, and at once. */
  readonly framesPerSecond: number;
  readonly frameBurst: number;
  /** Bytes of frames a session may send each second on average, and at once. */
  readonly frameBytesPerSecond: number;
  readonly frameBytesBurst: number;
  /** Pings of a peer that are answered each second on average, and at once. */
  readonly pingsPerSecond: number;
  readonly pingBurst: number;
  /** Fragments of one WebSocket message. */
  readonly fragments: number;
  /** Bytes of incomplete messages, of all connections together. */
  readonly unfinishedBytes: number;
  /** Milliseconds within which a message must be complete. */
  readonly messageTimeoutMs: number;
  /** Open sessions, and the number of them without a login. */
  readonly connections: number;
  readonly pendingLogins: number;
  /** Milliseconds a connection has to log in. */
  readonly loginTimeoutMs: number;
  /**
   * Milliseconds that a refused connection stays open, so that the peer can read the reason.
   */
  readonly lingerMs: number;
  /** New connections of one address, of HTTP and WebSocket: each second on average, and at once. */
  readonly acceptsPerSecond: number;
  readonly acceptBurst: number;
  /**
   * Open connections of one address, and of all addresses, HTTP included. Beyond these limits the
   * coordinator closes the oldest connection without a login.
   */
  readonly socketsPerAddress: number;
  readonly sockets: number;
  /** Bytes queued for one peer before it counts as too slow, and for all of them together. */
  readonly bufferedBytes: number;
  readonly totalBufferedBytes: number;
  /** Milliseconds for the header of a request, and for the whole of it, its body included. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /**
   * Requests of one address in a minute; such as ask for the transcript; such as read or send blobs
   * beyond the allowance that each attempt gives to participants, see blob-rates.ts.
   */
  readonly requestsPerMinute: number;
  readonly transcriptsPerMinute: number;
  readonly blobRequestsPerMinute: number;
  /** Answers sent at the same time, and milliseconds that a reader may leave one unread. */
  readonly openTranscripts: number;
  readonly openBlobs: number;
  readonly answerTimeoutMs: number;
  /** Bytes of one uploaded blob. */
  readonly blobBytes: number;
  /** Blobs that one participant may upload in a minute beyond its allowance, and at once. */
  readonly blobsPerMinute: number;
  readonly blobsAtOnce: number;
  /**
   * Log lines about connections without a login, each second on average, and at once.
   */
  readonly logLinesPerSecond: number;
  readonly logLineBurst: number;
  /** Milliseconds between WebSocket pings; a peer that misses one is closed at the next. */
  readonly heartbeatMs: number;
  /**
   * Milliseconds between two checks of paid storage and remaining coins, on a network.
   */
  readonly upkeepMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  frameBytes: MAX_CLIENT_FRAME_BYTES,
  loginBytes: MAX_LOGIN_BYTES,
  framesPerSecond: 50,
  frameBurst: 200,
  frameBytesPerSecond: 1 << 20,
  frameBytesBurst: 8 << 20,
  pingsPerSecond: 1,
  pingBurst: 20,
  fragments: 1024,
  // A cohort of 255 that sends its shares at once has 90 MB of them under way.
  unfinishedBytes: 128 << 20,
  messageTimeoutMs: 60_000,
  connections: 2048,
  pendingLogins: 256,
  loginTimeoutMs: 10_000,
  lingerMs: 1000,
  acceptsPerSecond: 100,
  acceptBurst: 1024,
  socketsPerAddress: 1024,
  sockets: 4096,
  bufferedBytes: 4 * MAX_FRAME_BYTES,
  // A cohort of 255 is sent 0.6 GB of shares.
  totalBufferedBytes: 2 ** 30,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  requestsPerMinute: 1200,
  transcriptsPerMinute: 12,
  blobRequestsPerMinute: 60_000,
  openTranscripts: 4,
  openBlobs: 512,
  answerTimeoutMs: 60_000,
  blobBytes: 2 ** 30,
  blobsPerMinute: 30,
  blobsAtOnce: 2,
  logLinesPerSecond: 1,
  logLineBurst: 20,
  heartbeatMs: 15_000,
  upkeepMs: 600_000,
};

/** A token bucket: `rate` tokens a second, at most `burst` of them saved up. */
export interface TokenBucket {
  /** Takes `count` tokens (default 1) at time `now` (ms); false when fewer are left. */
  take(now: number, count?: number): boolean;
  /** Whether it holds all it can: nothing is lost when it is forgotten. */
  isFull(now: number): boolean;
}

export const tokenBucket = (rate: number, burst: number, start: number): TokenBucket => {
  let tokens = burst;
  let last = start;
  const fill = (now: number): void => {
    tokens = Math.min(burst, tokens + (Math.max(0, now - last) * rate) / 1000);
    last = Math.max(last, now);
  };
  return {
    take: (now, count = 1) => {
      fill(now);
      if (tokens < count) return false;
      tokens -= count;
      return true;
    },
    isFull: (now) => {
      fill(now);
      return tokens >= burst;
    },
  };
};

/**
 * Buckets by name; those that are full again are forgotten, and so names that come once take no
 * memory.
 */
export interface TokenBuckets {
  take(name: string, now: number): boolean;
  readonly size: number;
}

/** Names that are remembered at once; beyond them the others share one bucket. */
const MAX_BUCKETS = 16_384;
const OTHERS = '';
/** How often they are looked through while there are as many as may be. */
const SWEEP_MS = 1000;

export const tokenBuckets = (rate: number, burst: number): TokenBuckets => {
  const buckets = new Map<string, TokenBucket>();
  let sweepAt = 64;
  let sweptAt = -Infinity;
  const sweep = (now: number): void => {
    for (const [name, bucket] of buckets) if (bucket.isFull(now)) buckets.delete(name);
    sweepAt = Math.max(64, Math.min(MAX_BUCKETS, 2 * buckets.size));
    sweptAt = now;
  };
  return {
    take: (name, now) => {
      const due = sweepAt < MAX_BUCKETS || now - sweptAt >= SWEEP_MS;
      if (buckets.size >= sweepAt && due && !buckets.has(name)) sweep(now);
      const known = buckets.has(name) || buckets.size < MAX_BUCKETS ? name : OTHERS;
      const bucket = buckets.get(known) ?? tokenBucket(rate, burst, now);
      buckets.set(known, bucket);
      return bucket.take(now);
    },
    get size() {
      return buckets.size;
    },
  };
};
