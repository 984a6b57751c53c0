/**
 * @module Sessions over the Connection port: a login (login.ts), then frames, within the limits of
 * all connections together (open-sessions.ts). Invalid input is answered with a named error; abuse
 * of the wire format closes the connection of that peer only.
 */
import { FloeError, isErrorCode, toFloeError, type ErrorCode } from '../protocol/errors.ts';
import {
  CLOSE_NORMAL,
  CLOSE_WITH_ERROR,
  decodeClientFrame,
  encodeFrame,
  type ClientFrame,
} from '../protocol/wire/messages.ts';
import { tokenBucket } from './limits.ts';
import { createLogin, type LoginInit } from './login.ts';
import type { Hex, OutgoingFrame } from './machine/index.ts';
import {
  createOpenSessions,
  type OpenSessionsInit,
  type ServerConnection,
  type Session,
} from './open-sessions.ts';

export type { ServerConnection } from './open-sessions.ts';

/** The frames of a participant after the login. */
export type SessionFrame = Exclude<ClientFrame, { readonly type: 'hello' | 'login' }>;

export interface SessionsInit extends LoginInit, OpenSessionsInit {
  /** May throw a FloeError: it is sent to the peer, and the session continues. */
  readonly onFrame: (key: Uint8Array, frame: SessionFrame) => void;
}

export interface Sessions {
  accept(connection: ServerConnection): void;
  /** Sends to those of the given identities that are logged in. The frame is encoded once. */
  send(to: readonly Hex[] | 'everyone', frame: OutgoingFrame): void;
  readonly connections: number;
  readonly loggedIn: number;
  /** The same, by the address that each is counted under, where that can be told. */
  loggedInByAddress(): ReadonlyMap<string, number>;
  has(key: Hex): boolean;
  /** Closes all connections normally and refuses new ones. */
  stop(): void;
}

/** Errors after which a connection is not worth keeping. */
const FATAL: ReadonlySet<ErrorCode> = new Set([
  'frame_too_large',
  'frame_malformed',
  'version_unsupported',
  'rate_limited',
  'login_refused',
  'identity_not_admitted',
  'identity_in_use',
  'too_many_connections',
  'peer_too_slow',
]);

export const createSessions = (init: SessionsInit): Sessions => {
  const { clock, limits, log } = init;
  const sessions = createOpenSessions(init);
  const { open, byKey, close, fail, deliver, makeRoom } = sessions;
  const { hello, login } = createLogin(init, sessions);
  let stopped = false;

  const handle = (session: Session, bytes: Uint8Array): void => {
    const limit = session.loggedIn ? limits.frameBytes : limits.loginBytes;
    const frame = decodeClientFrame(bytes, limit);
    if (frame.type === 'hello') return hello(session, frame);
    if (frame.type === 'login') return login(session, frame);
    if (!session.loggedIn || session.key === undefined)
      throw new FloeError('login_refused', `a ${frame.type} frame before the login`);
    init.onFrame(session.key, frame);
  };

  const refuse = (session: Session, thrown: unknown): void => {
    const error = toFloeError(thrown);
    if (error.code === 'internal') log.error({ reason: error.message }, 'a frame was not handled');
    const { code, message } = error;
    deliver(session, encodeFrame({ type: 'error', code, message: message.slice(0, 1000) }));
    // Before the login there is nothing worth continuing with.
    if (FATAL.has(code) || !session.loggedIn) fail(session, error);
  };

  return {
    accept: (connection) => {
      if (stopped) return connection.close(CLOSE_NORMAL, '');
      if (!makeRoom()) return connection.close(CLOSE_WITH_ERROR, 'too_many_connections');
      const session: Session = {
        connection,
        key: undefined,
        payload: undefined,
        loggedIn: false,
        closed: false,
        cancelTimeout: clock.after(limits.loginTimeoutMs, () =>
          fail(session, new FloeError('login_refused', 'no login in time')),
        ),
      };
      const frames = tokenBucket(limits.framesPerSecond, limits.frameBurst, clock.monotonic());
      const { frameBytesPerSecond, frameBytesBurst } = limits;
      const volume = tokenBucket(frameBytesPerSecond, frameBytesBurst, clock.monotonic());
      open.add(session);
      connection.receive({
        message: (bytes) => {
          if (session.closed) return;
          try {
            if (!frames.take(clock.monotonic()))
              throw new FloeError(
                'rate_limited',
                `expected at most ${limits.framesPerSecond} frames a second`,
              );
            if (!volume.take(clock.monotonic(), bytes.length))
              throw new FloeError(
                'rate_limited',
                `expected at most ${frameBytesPerSecond} bytes of frames a second`,
              );
            handle(session, bytes);
          } catch (thrown) {
            refuse(session, thrown);
          }
        },
        close: (code, reason) => {
          // A refusal by the transport is reported like a refusal by the session.
          if (code === CLOSE_WITH_ERROR && isErrorCode(reason))
            fail(session, new FloeError(reason, 'refused before any frame was whole'));
          else close(session, code, reason);
        },
      });
    },
    send: (to, frame) => {
      const targets =
        to === 'everyone' ? [...byKey.values()] : to.flatMap((key) => byKey.get(key) ?? []);
      if (targets.length === 0) return;
      const bytes = encodeFrame(frame);
      for (const session of targets) deliver(session, bytes);
    },
    get connections() {
      return open.size;
    },
    get loggedIn() {
      return byKey.size;
    },
    loggedInByAddress: () => {
      const counts = new Map<string, number>();
      for (const { connection } of byKey.values())
        if (connection.address !== undefined)
          counts.set(connection.address, (counts.get(connection.address) ?? 0) + 1);
      return counts;
    },
    has: (key) => byKey.has(key),
    stop: () => {
      stopped = true;
      for (const session of open) close(session, CLOSE_NORMAL, 'stopped');
    },
  };
};
