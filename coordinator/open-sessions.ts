/**
 * @module The open connections, before and after their login. Each is closed once and has a limit
 * on queued bytes. Connections are also ended when the queues of all peers together are too long,
 * or when too many connections wait for a login.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { FloeError } from '../protocol/errors.ts';
import { CLOSE_WITH_ERROR } from '../protocol/wire/messages.ts';
import { firstOfMost } from './addresses.ts';
import { tokenBucket, type Limits } from './limits.ts';
import { shortKey, type Logger } from './log.ts';
import type { Hex } from './machine/index.ts';

/**
 * A transport may know that its peer has missed a heartbeat; one that does not counts as
 * responsive.
 */
export interface ServerConnection extends Connection {
  readonly responsive?: boolean;
  /** What its peer is counted by, where that can be told. */
  readonly address?: string;
  /** The peer has logged in: from now on it may send more than a login. */
  admit?(): void;
  /** Set at the login: while it returns true, a missed heartbeat does not close the connection. */
  mayBeSilent?: () => boolean;
}

/** One connection: `key` is set from hello on, `loggedIn` when its signature was verified. */
export interface Session {
  readonly connection: ServerConnection;
  key: Uint8Array | undefined;
  payload: Uint8Array | undefined;
  loggedIn: boolean;
  closed: boolean;
  cancelTimeout: () => void;
}

export interface OpenSessionsInit {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  /** @param reason with which the connection was closed: an error's code, or any text */
  readonly onLeave: (key: Uint8Array, reason: string) => void;
  /** A connection was ended before its login. @param key what it claims to be, if anything */
  readonly onRefused?: (key: Uint8Array | undefined, remote: string, error: FloeError) => void;
}

export interface OpenSessions {
  readonly open: Set<Session>;
  /** Those that are logged in. */
  readonly byKey: Map<Hex, Session>;
  /** Does nothing to a session that is closed. */
  readonly close: (session: Session, code: number, reason: string) => void;
  /** Closes a session with an error, which is logged. */
  readonly fail: (session: Session, error: FloeError) => void;
  /** Sends to a peer, or closes its connection with `peer_too_slow` when its queue is full. */
  readonly deliver: (session: Session, bytes: Uint8Array) => void;
  /** Makes room for a connection. @returns whether there is any */
  readonly makeRoom: () => boolean;
}

/**
 * The queues of all peers are checked together when this fraction of their limit has been sent: a
 * check asks every connection, and thousands of peers are sent hundreds of megabytes a round.
 */
const LOOK_AFTER = 1 / 16;

export const createOpenSessions = (init: OpenSessionsInit): OpenSessions => {
  const { clock, limits, log } = init;
  const open = new Set<Session>();
  const byKey = new Map<Hex, Session>();
  let sinceLook = 0;
  const lines = tokenBucket(limits.logLinesPerSecond, limits.logLineBurst, clock.monotonic());

  const close = (session: Session, code: number, reason: string): void => {
    if (session.closed) return;
    session.closed = true;
    session.cancelTimeout();
    open.delete(session);
    session.connection.close(code, reason);
    const { key } = session;
    if (!session.loggedIn || key === undefined) return;
    byKey.delete(toHex(key));
    log.info({ participant: shortKey(toHex(key)), reason }, 'session closed');
    init.onLeave(key, reason);
  };

  const fail = (session: Session, error: FloeError): void => {
    if (session.closed) return;
    const { code, message } = error;
    // Outsiders must not fill the log.
    const level = session.loggedIn || lines.take(clock.monotonic()) ? 'warn' : 'debug';
    log[level](
      { remote: session.connection.remote, code, reason: message },
      'session closed with an error',
    );
    if (!session.loggedIn) init.onRefused?.(session.key, session.connection.remote, error);
    close(session, CLOSE_WITH_ERROR, code);
  };

  const deliver = (session: Session, bytes: Uint8Array): void => {
    if (session.closed) return;
    if (session.connection.bufferedBytes + bytes.length > limits.bufferedBytes)
      return fail(
        session,
        new FloeError('peer_too_slow', `${session.connection.bufferedBytes} bytes are queued`),
      );
    session.connection.send(bytes);
    sinceLook += bytes.length;
    if (sinceLook >= LOOK_AFTER * limits.totalBufferedBytes) endSlowest();
  };

  /**
   * Peers that read slowly, each within its limit, must not fill the memory together: the slowest
   * go first.
   */
  const endSlowest = (): void => {
    sinceLook = 0;
    // Most looks find little: they must not sort all peers.
    let all = 0;
    for (const { connection } of open) all += connection.bufferedBytes;
    if (all <= limits.totalBufferedBytes) return;
    const queued = [...open].map((session) => [session, session.connection.bufferedBytes] as const);
    let total = queued.reduce((sum, [, bytes]) => sum + bytes, 0);
    for (const [session, bytes] of queued.toSorted(([, a], [, b]) => b - a)) {
      if (total <= limits.totalBufferedBytes) return;
      total -= bytes;
      fail(session, new FloeError('peer_too_slow', `${bytes} bytes are queued, too many of all`));
    }
  };

  /** The oldest of the connections that wait for a login, of the address that has most of them. */
  const crowding = (): Session | undefined => {
    const waiting = [...open].filter(({ loggedIn }) => !loggedIn);
    const items = waiting.map((session) => ({
      session,
      address: session.connection.address ?? '',
    }));
    return firstOfMost(items)?.session;
  };

  /**
   * Makes room for a connection; those that log in at once are gone from those that wait before
   * their turn comes.
   */
  const makeRoom = (): boolean => {
    if (byKey.size >= limits.connections || limits.pendingLogins === 0) return false;
    while (open.size >= limits.connections || open.size - byKey.size >= limits.pendingLogins) {
      const session = crowding();
      if (session === undefined) return false;
      fail(session, new FloeError('too_many_connections', 'others wait for a login'));
    }
    return true;
  };

  return { open, byKey, close, fail, deliver, makeRoom };
};
