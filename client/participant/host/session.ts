/**
 * @module One session with the coordinator: hello, challenge, login, welcome, then frames. Both
 * sides sign both nonces, both keys and the run, so that no signature fits another session; the
 * participant does not speak before the coordinator has proven its key and shown the specification
 * that the run's hash names.
 */
import { strategyOf } from '../../../protocol/algorithm/registry.ts';
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import type { Clock } from '../../../protocol/ports/clock.ts';
import type { Connection } from '../../../protocol/wire/connection.ts';
import { FloeError, isErrorCode } from '../../../protocol/errors.ts';
import { verifySignature, type Identity } from '../../../protocol/ports/identity.ts';
import {
  CLOSE_NORMAL,
  CLOSE_WITH_ERROR,
  decodeServerFrame,
  encodeFrame,
  errorOfClose,
  loginPayload,
  type ClientFrame,
  type ServerFrame,
} from '../../../protocol/wire/messages.ts';
import type { RandomSource } from '../../../protocol/ports/random.ts';
import { readingOf, type ClockReading } from '../../../protocol/clock-skew.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../../../protocol/spec/run-spec.ts';

/** What the caller knows of the run beforehand. */
export interface Expected {
  /** Ed25519 key of the coordinator. */
  readonly coordinator?: Uint8Array;
  /** Hash of the run specification. */
  readonly run?: Uint8Array;
}

type Unversioned<Frame> = Frame extends unknown ? Omit<Frame, 'v'> : never;

export interface Session {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly remote: string;
  /** The coordinator's clock against the own one. */
  readonly clock: ClockReading;
  /** The own last registration, as the coordinator shows it. */
  readonly register: Uint8Array | undefined;
  /** Does nothing once the session is over. */
  send(frame: Unversioned<ClientFrame>): void;
  /** Sends an encoded frame as it is. */
  sendBytes(frame: Uint8Array): void;
  /** Of what was sent, still in this process. */
  readonly bufferedBytes: number;
  /** Resolves when the session is over, with the reason. */
  readonly over: Promise<FloeError>;
  close(error?: FloeError): void;
}

export interface LogInOptions {
  readonly identity: Identity;
  readonly expect: Expected;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Milliseconds for the whole login. */
  readonly timeoutMs: number;
  /** Gives the login up. */
  readonly signal: AbortSignal;
  /**
   * Every frame after the welcome, with the bytes it came in. A frame that is not one is given as
   * the error.
   */
  readonly onFrame: (frame: ServerFrame | FloeError, size: number) => void;
}

const mismatch = (what: string, expected: Uint8Array, got: Uint8Array): FloeError =>
  new FloeError('spec_mismatch', `expected ${what} ${toHex(expected)}, got ${toHex(got)}`);

type Challenge = Extract<ServerFrame, { type: 'challenge' }>;

const checkChallenge = (challenge: Challenge, expect: Expected, payload: Uint8Array): void => {
  const { coordinator, run, signature } = challenge;
  if (expect.coordinator !== undefined && !equalBytes(expect.coordinator, coordinator))
    throw mismatch('the coordinator', expect.coordinator, coordinator);
  if (expect.run !== undefined && !equalBytes(expect.run, run))
    throw mismatch('the run', expect.run, run);
  if (!verifySignature('challenge', payload, signature, coordinator))
    throw new FloeError(
      'signature_invalid',
      'the coordinator has not signed the challenge with the key it claims',
    );
};

const checkWelcome = (bytes: Uint8Array, challenge: Challenge): RunSpec => {
  const spec = decodeRunSpec(bytes);
  if (!equalBytes(hashRunSpec(spec), challenge.run))
    throw mismatch('the run', challenge.run, hashRunSpec(spec));
  if (!equalBytes(spec.coordinator, challenge.coordinator))
    throw mismatch('the coordinator', spec.coordinator, challenge.coordinator);
  // A run of code that is not here ends by name, before anything is sent.
  strategyOf(spec);
  return spec;
};

const errorOfFrame = (frame: Extract<ServerFrame, { type: 'error' }>): FloeError =>
  new FloeError(isErrorCode(frame.code) ? frame.code : 'internal', frame.message);

const closeWith = (connection: Connection, error: FloeError | undefined): void =>
  error === undefined
    ? connection.close(CLOSE_NORMAL, '')
    : connection.close(CLOSE_WITH_ERROR, error.code);

/**
 * Logs in over a fresh connection.
 *
 * @throws FloeError `spec_mismatch`, `signature_invalid`, `spec_invalid`, `connection_lost`,
 * `unexpected_frame`, `frame_malformed`, or what the coordinator refused with
 */
export const logIn = (connection: Connection, options: LogInOptions): Promise<Session> => {
  const { identity, expect, clock, random, signal, onFrame } = options;
  const nonce = random(32);
  const { promise: over, resolve: end } = Promise.withResolvers<FloeError>();
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  let challenge: Challenge | undefined;
  let asked = 0;
  let session: Session | undefined;

  const sendBytes = (frame: Uint8Array): void => connection.send(frame);
  const send = (frame: Unversioned<ClientFrame>): void => sendBytes(encodeFrame(frame));
  const fail = (error: FloeError): void => {
    cancel();
    reject(error);
    closeWith(connection, error);
  };
  const abort = (): void => fail(new FloeError('aborted', 'The operation was cancelled.'));
  const cancelTimer = clock.at(clock.now() + options.timeoutMs, () =>
    fail(new FloeError('connection_lost', `no welcome within ${options.timeoutMs} ms`)),
  );

  const cancel = (): void => {
    cancelTimer();
    signal.removeEventListener('abort', abort);
  };
  signal.addEventListener('abort', abort, { once: true });

  const onChallenge = (frame: Challenge): void => {
    const { coordinator, run } = frame;
    const payload = loginPayload({
      clientNonce: nonce,
      serverNonce: frame.nonce,
      client: identity.publicKey,
      coordinator,
      run,
    });
    checkChallenge(frame, expect, payload);
    challenge = frame;
    asked = clock.now();
    send({ type: 'login', signature: identity.sign('login', payload) });
  };
  const onLoginFrame = (frame: ServerFrame): void => {
    if (frame.type === 'error') throw errorOfFrame(frame);
    if (frame.type === 'challenge' && challenge === undefined) onChallenge(frame);
    else if (frame.type === 'welcome' && challenge !== undefined) {
      const spec = checkWelcome(frame.spec, challenge);
      const { run } = challenge;
      cancel();
      session = {
        spec,
        run,
        remote: connection.remote,
        clock: readingOf('coordinator', asked, clock.now(), frame.time),
        register: frame.register,
        send,
        sendBytes,
        get bufferedBytes() {
          return connection.bufferedBytes;
        },
        over,
        close: (error) => closeWith(connection, error),
      };
      resolve(session);
    } else throw new FloeError('unexpected_frame', `${frame.type} does not belong in a login here`);
  };

  connection.receive({
    message: (bytes) => {
      try {
        const frame = decodeServerFrame(bytes);
        if (session === undefined) onLoginFrame(frame);
        else onFrame(frame, bytes.length);
      } catch (thrown) {
        const error = thrown instanceof FloeError ? thrown : undefined;
        if (error === undefined) throw thrown;
        if (session === undefined) fail(error);
        else onFrame(error, bytes.length);
      }
    },
    close: (code, reason) => {
      const error = new FloeError(
        errorOfClose(code, reason),
        `the connection to ${connection.remote} closed with ${code}${reason === '' ? '' : ` ${reason}`}`,
      );
      cancel();
      reject(error);
      end(error);
    },
  });
  if (signal.aborted) abort();
  else send({ type: 'hello', key: identity.publicKey, nonce });
  return promise;
};
