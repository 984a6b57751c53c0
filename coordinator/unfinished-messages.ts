/**
 * @module Limits the bytes of unfinished messages, for each connection and for all together. The
 * library buffers the fragments of a message until the last one arrives: without a limit, a peer
 * that never sends it would hold memory indefinitely.
 */
import type { Clock } from '../protocol/ports/clock.ts';
import { firstOfMost } from './addresses.ts';
import type { Limits } from './limits.ts';

/** The message that one connection is sending. */
export interface UnfinishedMessage {
  /** Bytes came; false when they are more than a message and its framing have. */
  came(bytes: number): boolean;
  /** A ping or pong with so many bytes, which is no part of a message. */
  beside(bytes: number): void;
  /** The message is whole, or the connection is gone. */
  done(): void;
  /** Whether its end is overdue. */
  readonly overdue: boolean;
}

export interface UnfinishedMessages {
  /** @param end ends the connection @param address what its peer is counted by */
  open(end: () => void, address: string): UnfinishedMessage;
  /** Of all connections. */
  readonly bytes: number;
}

/** What frames a message in its parts: a head of up to 14 bytes each (RFC 6455, section 5.2). */
const HEAD_BYTES = 14;

interface Part {
  readonly end: () => void;
  readonly address: string;
  bytes: number;
  since: number;
}

export const unfinishedMessages = (limits: Limits, clock: Clock): UnfinishedMessages => {
  /** Those of which something has come, the oldest first. */
  const parts = new Set<Part>();
  let total = 0;
  // One chunk of a socket may hold the end of one message and the beginning of the next.
  const most = limits.frameBytes + limits.fragments * HEAD_BYTES + 65_536;

  const forget = (part: Part, bytes: number): void => {
    total -= Math.min(bytes, part.bytes);
    part.bytes -= Math.min(bytes, part.bytes);
    if (part.bytes === 0) parts.delete(part);
  };
  /** Of the address that holds most. */
  const endOldest = (): void => {
    const oldest = firstOfMost(parts, ({ bytes }) => bytes);
    if (oldest === undefined) return;
    forget(oldest, oldest.bytes);
    oldest.end();
  };

  return {
    open: (end, address) => {
      const part: Part = { end, address, bytes: 0, since: 0 };
      return {
        came: (bytes) => {
          if (part.bytes === 0) part.since = clock.monotonic();
          part.bytes += bytes;
          total += bytes;
          parts.add(part);
          while (total > limits.unfinishedBytes && parts.size > 0) endOldest();
          return part.bytes <= most;
        },
        beside: (bytes) => forget(part, bytes),
        done: () => forget(part, part.bytes),
        get overdue() {
          return part.bytes > 0 && clock.monotonic() - part.since >= limits.messageTimeoutMs;
        },
      };
    },
    get bytes() {
      return total;
    },
  };
};
