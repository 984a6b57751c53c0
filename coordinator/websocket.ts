/**
 * @module Connections over WebSocket (RFC 6455, library `ws`): binary frames, a heartbeat of pings,
 * and limits on the bytes of a socket, before and after the login. The limits apply before the
 * library buffers anything. Compression is off: frames are ciphertext and keys.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { ownBytes } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import type { ConnectionHandlers } from '../protocol/wire/connection.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { CLOSE_WITH_ERROR } from '../protocol/wire/messages.ts';
import { countedAddress, remoteOf } from './addresses.ts';
import { tokenBucket, type Limits } from './limits.ts';
import type { ServerConnection } from './sessions.ts';
import {
  unfinishedMessages,
  type UnfinishedMessage,
  type UnfinishedMessages,
} from './unfinished-messages.ts';

/** RFC 6455, section 7.4.1: the connection broke. */
const ABNORMAL = 1006;
/** Head and mask of a control frame of a client (RFC 6455, section 5.2). */
const CONTROL_HEAD_BYTES = 6;
/** Bytes that a peer may send after this side has closed: frames may already be in transit. */
const LINGER_BYTES = 65_536;

const toBytes = (data: RawData): Uint8Array =>
  ownBytes(
    Array.isArray(data)
      ? Buffer.concat(data)
      : data instanceof ArrayBuffer
        ? new Uint8Array(data)
        : data,
  );

/**
 * Pings at every beat. A peer that has neither answered nor ended its message by the next beat is
 * disconnected. A peer whose event loop is blocked by training is excused; TCP keep-alive, which
 * its kernel answers regardless of the process, then detects whether it is gone.
 */
const keepAlive = (
  socket: WebSocket,
  clock: Clock,
  everyMs: number,
  message: UnfinishedMessage,
  isExcused: () => boolean,
) => {
  let pingedAt: number | undefined;
  const beat = (): void => {
    if (message.overdue || (pingedAt !== undefined && !isExcused())) return socket.terminate();
    pingedAt = clock.monotonic();
    socket.ping();
    cancel = clock.after(everyMs, beat);
  };
  let cancel = clock.after(everyMs, beat);
  socket.on('pong', () => {
    pingedAt = undefined;
  });
  socket.on('close', () => cancel());
  return {
    /** Whether no ping has been waiting for its answer for long. */
    isResponsive: () => pingedAt === undefined || clock.monotonic() - pingedAt < everyMs / 3,
  };
};

interface WebSocketInit {
  readonly raw: Duplex;
  readonly address: string;
  readonly remote: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly unfinished: UnfinishedMessages;
  readonly onAdmit: (remote: string) => void;
}

/** A `ws` socket as a Connection. */
const webSocketConnection = (
  socket: WebSocket,
  { raw, address, remote, clock, limits, unfinished, onAdmit }: WebSocketInit,
): ServerConnection => {
  const early: Uint8Array[] = [];
  let handlers: ConnectionHandlers | undefined;
  let closed: readonly [number, string] | undefined;
  let admitted = false;
  /** Bytes since the upgrade until the login, then since this side has closed. */
  let counted = 0;
  let cancelLinger: (() => void) | undefined;
  const message = unfinished.open(() => socket.terminate(), address);
  const pings = tokenBucket(limits.pingsPerSecond, limits.pingBurst, clock.monotonic());
  const isExcused = (): boolean => connection.mayBeSilent?.() === true;
  const heart = keepAlive(socket, clock, limits.heartbeatMs, message, isExcused);

  /**
   * Sends the reason, reads at most the bytes that may be in transit, and ends the connection soon,
   * with or without an answer of the peer.
   */
  const close = (code: number, reason: string): void => {
    if (cancelLinger !== undefined) return;
    cancelLinger = clock.after(limits.lingerMs, () => socket.terminate());
    message.done();
    counted = 0;
    socket.close(code === ABNORMAL ? CLOSE_WITH_ERROR : code, reason);
  };
  /** Called once, whichever side closes. */
  const tellClosed = (code: number, reason: string): void => {
    if (closed !== undefined) return;
    closed = [code, reason];
    handlers?.close(code, reason);
  };
  const refuse = (code: ErrorCode): void => {
    close(CLOSE_WITH_ERROR, code);
    if (socket.readyState !== socket.CLOSED) socket.pause();
    tellClosed(CLOSE_WITH_ERROR, code);
  };

  // Runs before the library's own listener, which buffers its input.
  raw.prependListener('data', (chunk: Buffer) => {
    if (cancelLinger !== undefined) {
      counted += chunk.length;
      if (counted > LINGER_BYTES && socket.readyState !== socket.CLOSED) socket.pause();
    } else if (admitted) {
      if (!message.came(chunk.length)) refuse('frame_too_large');
    } else {
      counted += chunk.length;
      if (counted > limits.loginBytes) refuse('frame_too_large');
    }
  });
  socket.on('message', (data, isBinary) => {
    message.done();
    if (cancelLinger !== undefined) return;
    if (!isBinary) return refuse('frame_malformed');
    const bytes = toBytes(data);
    if (handlers === undefined) early.push(bytes);
    else handlers.message(bytes);
  });
  socket.on('ping', (data) => {
    message.beside(data.length + CONTROL_HEAD_BYTES);
    if (socket.readyState !== socket.OPEN) return;
    // A peer that asks without reading the answers would have them kept here.
    if (socket.bufferedAmount > 0 || !pings.take(clock.monotonic())) socket.terminate();
    else socket.pong(data);
  });
  socket.on('pong', (data) => message.beside(data.length + CONTROL_HEAD_BYTES));
  socket.on('close', (code, reason) => {
    cancelLinger?.();
    message.done();
    tellClosed(code, reason.toString());
  });
  // A close always follows, with the code that says why.
  socket.on('error', () => socket.terminate());
  const connection: ServerConnection = {
    remote,
    address,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    get responsive() {
      return heart.isResponsive();
    },
    admit: () => {
      admitted = true;
      onAdmit(remote);
    },
    send: (frame) => {
      if (socket.readyState === socket.OPEN) socket.send(frame);
    },
    close: (code, reason) => {
      if (socket.readyState === socket.CONNECTING) socket.terminate();
      else close(code, reason);
    },
    receive: (given) => {
      handlers = given;
      for (const frame of early.splice(0)) given.message(frame);
      if (closed !== undefined) given.close(...closed);
    },
  };
  return connection;
};

export interface WebSocketGate {
  /** Handles the upgrade of one HTTP request. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Bytes of messages whose end has not come. */
  readonly unfinishedBytes: number;
  /** Ends all sockets. */
  close(): void;
}

/**
 * @param accept called with each new connection
 * @param onAdmit called with {@link remoteOf} a connection whose peer has logged in
 */
export const webSocketGate = (
  limits: Limits,
  clock: Clock,
  accept: (connection: ServerConnection) => void,
  onAdmit: (remote: string) => void = () => undefined,
): WebSocketGate => {
  const unfinished = unfinishedMessages(limits, clock);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    // Pings are answered here, as far as the peer reads the answers.
    autoPong: false,
    maxFragments: limits.fragments,
    // Beyond the frame limit, so that a frame a little too large is still refused by name.
    maxPayload: limits.frameBytes + 65_536,
  });
  return {
    upgrade: (request, socket, head) => {
      // Bytes after the upgrade request were sent before any login.
      if (head.length > limits.loginBytes) {
        socket.destroy();
        return;
      }
      request.socket.setKeepAlive(true, limits.heartbeatMs);
      server.handleUpgrade(request, socket, head, (ws) =>
        accept(
          webSocketConnection(ws, {
            raw: socket,
            address: countedAddress(request.socket.remoteAddress),
            remote: remoteOf(request.socket),
            clock,
            limits,
            unfinished,
            onAdmit,
          }),
        ),
      );
    },
    get unfinishedBytes() {
      return unfinished.bytes;
    },
    close: () => {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
};
