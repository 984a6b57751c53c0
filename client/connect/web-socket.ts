/**
 * @module Connections over WebSocket (RFC 6455). In Node the library `ws` is used, because
 * certificate, message size and heartbeat can be set; browsers use their own WebSocket, which
 * answers the coordinator's pings automatically.
 */
import type { PeerCertificate } from 'node:tls';
import type { ClientOptions, WebSocket as NodeWebSocket } from 'ws';
import { ownBytes } from '../../protocol/bytes.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import type { Connection, ConnectionHandlers } from '../../protocol/wire/connection.ts';
import { FloeError, isErrorCode } from '../../protocol/errors.ts';
import { CLOSE_WITH_ERROR, MAX_FRAME_BYTES } from '../../protocol/wire/messages.ts';
import {
  FINGERPRINT_MISMATCH,
  unexpectedStatus,
  unreachable,
} from '../../protocol/wire/unreachable.ts';

export interface WebSocketOptions {
  /** Certificates (PEM) to trust instead of the system's. Node only. */
  readonly ca?: string;
  /**
   * SHA-256 of the certificate that the coordinator must show, 64 hex digits; it must verify as
   * well, see `pinCertificate`. Node only.
   */
  readonly fingerprint?: string;
  /**
   * `false` takes any certificate: only sensible with the coordinator's key in `expect`. Node only.
   */
  readonly rejectUnauthorized?: boolean;
  /** Bytes of one frame, at most. */
  readonly maxFrameBytes?: number;
  /**
   * Milliseconds between pings; a coordinator that misses one counts as lost at the next. Node
   * only. Default 15 s.
   */
  readonly heartbeatMs?: number;
  /** Milliseconds to connect. Default 15 s. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const HEARTBEAT_MS = 15_000;
const TIMEOUT_MS = 15_000;

/** Keeps what comes before the handlers are set, and tells of the close exactly once. */
const inbox = () => {
  let handlers: ConnectionHandlers | undefined;
  let closed: readonly [code: number, reason: string] | undefined;
  const early: Uint8Array[] = [];
  return {
    message: (frame: Uint8Array): void => {
      if (closed !== undefined) return;
      if (handlers === undefined) early.push(frame);
      else handlers.message(frame);
    },
    close: (code: number, reason: string): void => {
      if (closed !== undefined) return;
      closed = [code, reason];
      handlers?.close(code, reason);
    },
    receive: (given: ConnectionHandlers): void => {
      handlers = given;
      for (const frame of early.splice(0)) given.message(frame);
      if (closed !== undefined) given.close(...closed);
    },
  };
};

const requireAddress = (url: string): URL => {
  const parsed = URL.parse(url);
  if (parsed === null || !/^wss?:$/u.test(parsed.protocol))
    throw new FloeError('usage', `expected an address such as ws://host:7700, got ${url}`);
  return parsed;
};

const lost = (url: string, reason: string): FloeError =>
  new FloeError('connection_lost', `no connection to ${url}: ${reason}`);

/** The error for a coordinator that refuses the upgrade. */
const refusal = (url: string, status: number, name: unknown): FloeError =>
  typeof name === 'string' && isErrorCode(name)
    ? new FloeError(name, `${url} refuses the connection`)
    : unexpectedStatus(url, status);

/**
 * Pings at every beat; a peer that has not answered by the next one is cut off. A beat that comes
 * late says that a trainer has held this event loop: the answer may lie unread in the socket, so it
 * counts only from the next beat on.
 */
const keepAlive = (socket: NodeWebSocket, clock: Clock, everyMs: number): void => {
  let answered = true;
  let due = clock.now() + everyMs;
  let cancel: (() => void) | undefined;
  const beat = (): void => {
    const isLate = clock.now() - due > everyMs / 2;
    if (!answered && !isLate) return socket.terminate();
    answered = false;
    socket.ping();
    due = clock.now() + everyMs;
    cancel = clock.at(due, beat);
  };
  cancel = clock.at(due, beat);
  socket.on('pong', () => {
    answered = true;
  });
  socket.on('close', () => cancel?.());
};

/**
 * As Node checks a certificate, and its fingerprint. The types of ws have a boolean; Node, which
 * calls it, takes an error.
 */
const pinnedIdentity = (fingerprint: string): NonNullable<ClientOptions['checkServerIdentity']> => {
  const check = (host: string, certificate: PeerCertificate): Error | undefined => {
    const found = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    if (found === fingerprint)
      return process.getBuiltinModule('node:tls').checkServerIdentity(host, certificate);
    return Object.assign(new Error(`the certificate has the fingerprint ${found}`), {
      code: FINGERPRINT_MISMATCH,
    });
  };
  return check as unknown as NonNullable<ClientOptions['checkServerIdentity']>;
};

const connectInNode = async (
  url: URL,
  options: WebSocketOptions,
  signal: AbortSignal,
): Promise<Connection> => {
  const { WebSocket } = await import('ws');
  const socket = new WebSocket(url, {
    // Frames are ciphertext and keys: nothing to compress.
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? MAX_FRAME_BYTES,
    handshakeTimeout: options.timeoutMs ?? TIMEOUT_MS,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    ...(options.fingerprint === undefined
      ? {}
      : { checkServerIdentity: pinnedIdentity(options.fingerprint) }),
  });
  const { message, close, receive } = inbox();
  socket.on('message', (data, isBinary) => {
    if (!isBinary) return socket.close(CLOSE_WITH_ERROR, 'frame_malformed');
    message(ownBytes(new Uint8Array(data as Buffer)));
  });
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      socket.terminate();
      reject(new FloeError('aborted', 'The operation was cancelled.'));
    };
    socket.on('open', () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    socket.on('unexpected-response', (_request, response) => {
      signal.removeEventListener('abort', abort);
      response.destroy();
      reject(refusal(url.href, response.statusCode ?? 0, response.headers['x-floe-error']));
      socket.terminate();
    });
    // A close always follows an error of an open socket, with the code that says why.
    socket.on('error', (cause) => {
      signal.removeEventListener('abort', abort);
      reject(unreachable(url.href, cause));
    });
    socket.on('close', (code, reason) => close(code, reason.toString()));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  keepAlive(socket, options.clock ?? systemClock, options.heartbeatMs ?? HEARTBEAT_MS);
  return {
    remote: url.host,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    send: (frame) => {
      if (socket.readyState === socket.OPEN) socket.send(frame);
    },
    close: (code, reason) => socket.close(code, reason),
    receive,
  };
};

const connectInBrowser = async (
  url: URL,
  options: WebSocketOptions,
  signal: AbortSignal,
): Promise<Connection> => {
  const { message, close, receive } = inbox();
  const limit = options.maxFrameBytes ?? MAX_FRAME_BYTES;
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (!(data instanceof ArrayBuffer)) socket.close(CLOSE_WITH_ERROR, 'frame_malformed');
    else if (data.byteLength > limit) socket.close(CLOSE_WITH_ERROR, 'frame_too_large');
    else message(new Uint8Array(data));
  });
  await new Promise<void>((resolve, reject) => {
    const clock = options.clock ?? systemClock;
    const giveUp = (error: FloeError): void => {
      socket.close();
      reject(error);
    };
    const abort = (): void => giveUp(new FloeError('aborted', 'The operation was cancelled.'));
    const cancel = clock.at(clock.now() + (options.timeoutMs ?? TIMEOUT_MS), () =>
      giveUp(lost(url.href, 'it takes too long')),
    );
    const settled = (): void => {
      cancel();
      signal.removeEventListener('abort', abort);
    };
    socket.addEventListener('open', () => {
      settled();
      resolve();
    });
    // Browsers do not say why a connection failed.
    socket.addEventListener('close', (event) => {
      settled();
      close(event.code, event.reason);
      reject(lost(url.href, `closed with ${event.code}`));
    });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  return {
    remote: url.host,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    send: (frame) => {
      if (socket.readyState === socket.OPEN) socket.send(ownBytes(frame));
    },
    close: (code, reason) => socket.close(code, reason),
    receive,
  };
};

/**
 * Returns a function that connects to the coordinator at `url`, `ws://host:port` or `wss://...`.
 * Each call opens a new connection.
 *
 * @throws FloeError `usage` for an invalid address. A call throws `connection_lost`,
 * `certificate_refused`, `wrong_protocol`, `aborted`, and the code with which the coordinator
 * refuses an upgrade.
 */
export const webSocketConnect = (
  url: string,
  options: WebSocketOptions = {},
): ((signal: AbortSignal) => Promise<Connection>) => {
  const address = requireAddress(url);
  const inNode = globalThis.process?.versions?.node !== undefined;
  return (signal) => (inNode ? connectInNode : connectInBrowser)(address, options, signal);
};

/**
 * The address of the coordinator's HTTP endpoints: the same host, `http` for `ws`, `https` for
 * `wss`. @throws FloeError `usage`
 */
export const httpAddress = (url: string): string => {
  const { protocol, host } = requireAddress(url);
  return `${protocol === 'wss:' ? 'https:' : 'http:'}//${host}`;
};
