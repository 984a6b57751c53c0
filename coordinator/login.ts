/**
 * @module The login of a participant: hello, challenge, login, welcome. Both sides sign both
 * nonces, both keys and the run, so that no signature fits another session.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import { curveKeyOf, verifySignature, type Identity } from '../protocol/ports/identity.ts';
import {
  CLOSE_WITH_ERROR,
  encodeFrame,
  loginPayload,
  type ClientFrame,
} from '../protocol/wire/messages.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import { shortKey, type Logger } from './log.ts';
import type { Hex } from './machine/index.ts';
import type { OpenSessions, Session } from './open-sessions.ts';

export interface LoginInit {
  readonly identity: Identity;
  readonly run: Uint8Array;
  /** Canonical bytes of the specification, sent at login. */
  readonly specBytes: Uint8Array;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** The identities that may log in to a closed run; undefined for an open run. */
  readonly members?: ReadonlySet<Hex> | undefined;
  /**
   * Whether this participant may have good reason to read nothing for a while: its trainer may hold
   * its event loop.
   */
  readonly mayBeSilent?: (key: Hex) => boolean;
  /** The last registration of this identity, which it is shown at login. */
  readonly lastRegister: (key: Hex) => Uint8Array | undefined;
  readonly log: Logger;
  readonly onJoin: (key: Uint8Array) => void;
}

/** Both throw a FloeError for a frame that does not log its peer in. */
export interface Login {
  readonly hello: (session: Session, frame: ClientFrame & { type: 'hello' }) => void;
  readonly login: (session: Session, frame: ClientFrame & { type: 'login' }) => void;
}

/** How old the time in a frame may be: a clock that is wrong by seconds does no harm yet. */
const WELCOME_MS = 50;

/**
 * The welcome holds the specification, which lists every member of a closed run: when thousands log
 * in at once, those of the same moment share one frame.
 *
 * @returns the frame @param register the participant's own, where it has registered
 */
const welcomes = ({ clock, specBytes }: Pick<LoginInit, 'clock' | 'specBytes'>) => {
  let shared: { readonly time: number; readonly bytes: Uint8Array } | undefined;
  return (register: Uint8Array | undefined): Uint8Array => {
    const time = Math.max(0, Math.round(clock.now()));
    const frame = { type: 'welcome', spec: specBytes, time } as const;
    if (register !== undefined) return encodeFrame({ ...frame, register });
    const age = time - (shared?.time ?? Number.NEGATIVE_INFINITY);
    if (shared === undefined || age < 0 || age > WELCOME_MS)
      shared = { time, bytes: encodeFrame(frame) };
    return shared.bytes;
  };
};

export const createLogin = (init: LoginInit, sessions: OpenSessions): Login => {
  const { identity, run, log } = init;
  const { byKey, close, deliver } = sessions;
  const welcome = welcomes(init);

  const hello = (session: Session, frame: ClientFrame & { type: 'hello' }): void => {
    if (session.key !== undefined)
      throw new FloeError('unexpected_frame', 'expected one hello, got a second');
    // An error below ends the session; the key says whose it was.
    session.key = frame.key;
    if (init.members !== undefined && !init.members.has(toHex(frame.key)))
      throw new FloeError('identity_not_admitted', 'not a member of this run');
    // Models are sealed to it once it is invited: one such key would stall every attempt.
    curveKeyOf(frame.key);
    const nonce = init.random(32);
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
    deliver(session, welcome(register));
    init.onJoin(key);
  };

  return { hello, login };
};
