/**
 * @module Sessions over the Connection port: challenge-response login by signature (both sides sign both nonces), then
 * frames. Whatever a peer sends, it gets a named error; what is wire abuse closes its connection, and only its own.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { FloeError, isErrorCode, toFloeError, type ErrorCode } from '../protocol/errors.ts';
import { curveKeyOf, verifySignature, type Identity } from '../protocol/ports/identity.ts';
import {
  CLOSE_NORMAL,
  CLOSE_WITH_ERROR,
  decodeClientFrame,
  encodeFrame,
  loginPayload,
  type ClientFrame,
} from '../protocol/wire/messages.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import { firstOfMost } from './addresses.ts';
import { tokenBucket, type Limits } from './limits.ts';
import { shortKey, type Logger } from './log.ts';
import type { Hex, OutgoingFrame } from './machine/index.ts';

/** A transport may know that its peer has missed a heartbeat; one that does not counts as responsive. */
export interface ServerConnection extends Connection {
  readonly responsive?: boolean;
  /** What its peer is counted by, where that can be told. */
  readonly address?: string;
  /** The peer has logged in: from now on it may send more than a login. */
  admit?(): void;
  /** Set at the login: while it says so, a heartbeat that is missed does not close the connection. */
  mayBeSilent?: () => boolean;
}

/** What a participant sends once it is logged in. */
export type SessionFrame = Exclude<ClientFrame, { readonly type: 'hello' | 'login' }>;

export interface SessionsInit {
  readonly identity: Identity;
  readonly run: Uint8Array;
  /** Canonical bytes of the specification, sent at login. */
  readonly specBytes: Uint8Array;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly limits: Limits;
  /** Who may log in, of a closed run; everybody where it is missing. */
  readonly members?: ReadonlySet<Hex> | undefined;
  /** Whether this participant may have good reason to read nothing for a while: its trainer may hold its event loop. */
  readonly mayBeSilent?: (key: Hex) => boolean;
  /** The last registration of this identity, which it is shown at login. */
  readonly lastRegister: (key: Hex) => Uint8Array | undefined;
  readonly log: Logger;
  readonly onJoin: (key: Uint8Array) => void;
  readonly onLeave: (key: Uint8Array) => void;
  /** May throw a FloeError: the peer is told and the session goes on. */
  readonly onFrame: (key: Uint8Array, frame: SessionFrame) => void;
}

export interface Sessions {
  accept(connection: ServerConnection): void;
  /** Sends to whoever of these is logged in. The frame is encoded once. */
  send(to: readonly Hex[] | 'everyone', frame: OutgoingFrame): void;
  readonly connections: number;
  readonly loggedIn: number;
  has(key: Hex): boolean;
  /** Closes all connections normally and refuses new ones. */
  stop(): void;
}

/** After so many bytes the queues of all peers are looked at together. */
const LOOK_AFTER_BYTES = 4 << 20;

/** One connection: `key` is set from hello on, `loggedIn` when its signature was verified. */
interface Session {
  readonly connection: ServerConnection;
  key: Uint8Array | undefined;
  payload: Uint8Array | undefined;
  loggedIn: boolean;
  closed: boolean;
  cancelTimeout: () => void;
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
  const { identity, run, clock, limits, log } = init;
  const open = new Set<Session>();
  const byKey = new Map<Hex, Session>();
  let stopped = false;
  let sinceLook = 0;
  const lines = tokenBucket(limits.logLinesPerSecond, limits.logLineBurst, clock.now());

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
    init.onLeave(key);
  };

  const fail = (session: Session, error: FloeError): void => {
    if (session.closed) return;
    const { code, message } = error;
    // Outsiders must not fill the log.
    const level = session.loggedIn || lines.take(clock.now()) ? 'warn' : 'debug';
    log[level](
      { remote: session.connection.remote, code, reason: message },
      'session closed with an error',
    );
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
    if (sinceLook >= LOOK_AFTER_BYTES) endSlowest();
  };

  /** Peers that read slowly, each within its limit, must not fill the memory together: the slowest go first. */
  const endSlowest = (): void => {
    sinceLook = 0;
    const queued = [...open].map((session) => [session, session.connection.bufferedBytes] as const);
    let total = queued.reduce((sum, [, bytes]) => sum + bytes, 0);
    for (const [session, bytes] of queued.toSorted(([, a], [, b]) => b - a)) {
      if (total <= limits.totalBufferedBytes) return;
      total -= bytes;
      fail(session, new FloeError('peer_too_slow', `${bytes} bytes are queued, too many of all`));
    }
  };

  const hello = (session: Session, frame: ClientFrame & { type: 'hello' }): void => {
    if (session.key !== undefined)
      throw new FloeError('unexpected_frame', 'hello was said already');
    if (init.members !== undefined && !init.members.has(toHex(frame.key)))
      throw new FloeError('identity_not_admitted', 'not a member of this run');
    // Models are sealed to it once it is invited: one such key would stall every attempt.
    curveKeyOf(frame.key);
    const nonce = init.random(32);
    session.key = frame.key;
    session.payload = loginPayload({
      clientNonce: frame.nonce,
      serverNonce: nonce,
      client: frame.key,
      coordinator: identity.publicKey,
      run,
    });
    deliver(
      session,
      encodeFrame({
        type: 'challenge',
        coordinator: identity.publicKey,
        run,
        nonce,
        signature: identity.sign('challenge', session.payload),
      }),
    );
  };

  /** The newer session takes over only from one whose transport has missed a heartbeat. */
  const replaceOld = (key: Uint8Array): void => {
    const old = byKey.get(toHex(key));
    if (old === undefined) return;
    if (old.connection.responsive !== false)
      throw new FloeError('identity_in_use', 'a live session holds this identity');
    close(old, CLOSE_WITH_ERROR, 'connection_lost');
  };

  const login = (session: Session, frame: ClientFrame & { type: 'login' }): void => {
    const { key, payload } = session;
    if (key === undefined || payload === undefined || session.loggedIn)
      throw new FloeError('unexpected_frame', 'expected a login after the challenge');
    if (!verifySignature('login', payload, frame.signature, key))
      throw new FloeError('login_refused', 'the signature over the challenge does not verify');
    replaceOld(key);
    session.cancelTimeout();
    session.loggedIn = true;
    session.connection.admit?.();
    session.payload = undefined;
    byKey.set(toHex(key), session);
    session.connection.mayBeSilent = () => init.mayBeSilent?.(toHex(key)) === true;
    log.info({ participant: shortKey(toHex(key)), remote: session.connection.remote }, 'logged in');
    const register = init.lastRegister(toHex(key));
    deliver(
      session,
      encodeFrame({
        type: 'welcome',
        spec: init.specBytes,
        time: Math.max(0, Math.round(clock.now())),
        ...(register === undefined ? {} : { register }),
      }),
    );
    init.onJoin(key);
  };

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
    // Before the login there is nothing worth going on with.
    if (FATAL.has(code) || !session.loggedIn) fail(session, error);
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

  /** Makes room for a connection; those that log in at once are gone from those that wait before their turn comes. */
  const makeRoom = (): boolean => {
    if (byKey.size >= limits.connections || limits.pendingLogins === 0) return false;
    while (open.size >= limits.connections || open.size - byKey.size >= limits.pendingLogins) {
      const session = crowding();
      if (session === undefined) return false;
      fail(session, new FloeError('too_many_connections', 'others wait for a login'));
    }
    return true;
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
        cancelTimeout: clock.at(clock.now() + limits.loginTimeoutMs, () =>
          fail(session, new FloeError('login_refused', 'no login in time')),
        ),
      };
      const frames = tokenBucket(limits.framesPerSecond, limits.frameBurst, clock.now());
      const { frameBytesPerSecond, frameBytesBurst } = limits;
      const volume = tokenBucket(frameBytesPerSecond, frameBytesBurst, clock.now());
      open.add(session);
      connection.receive({
        message: (bytes) => {
          if (session.closed) return;
          try {
            if (!frames.take(clock.now()))
              throw new FloeError(
                'rate_limited',
                `expected at most ${limits.framesPerSecond} frames a second`,
              );
            if (!volume.take(clock.now(), bytes.length))
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
          // What the transport itself refused is told like what is refused here.
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
    has: (key) => byKey.has(key),
    stop: () => {
      stopped = true;
      for (const session of open) close(session, CLOSE_NORMAL, 'stopped');
    },
  };
};
