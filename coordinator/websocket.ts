/**
 * @module Connections over WebSocket (RFC 6455, library `ws`): binary frames, a heartbeat of pings, a limit on what a message
 * may hold before anything is parsed. Compression is off: frames are ciphertext and keys.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { ownBytes } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/clock.ts';
import type { ConnectionHandlers } from '../protocol/connection.ts';
import { CLOSE_WITH_ERROR } from '../protocol/messages.ts';
import type { Limits } from './limits.ts';
import type { ServerConnection } from './sessions.ts';

/** RFC 6455, section 7.4.1: the connection broke. */
const ABNORMAL = 1006;

const toBytes = (data: RawData): Uint8Array =>
  ownBytes(
    Array.isArray(data)
      ? Buffer.concat(data)
      : data instanceof ArrayBuffer
        ? new Uint8Array(data)
        : data,
  );

/**
 * Pings at every beat; a peer that has not answered by the next one is cut off, unless it has an excuse: a trainer that holds
 * its event loop. A peer that is gone is then noticed by TCP keep-alive, which its kernel answers, whatever the process does.
 */
const keepAlive = (socket: WebSocket, clock: Clock, everyMs: number, isExcused: () => boolean) => {
  let pingedAt: number | undefined;
  const beat = (): void => {
    if (pingedAt !== undefined && !isExcused()) return socket.terminate();
    pingedAt = clock.now();
    socket.ping();
    cancel = clock.at(pingedAt + everyMs, beat);
  };
  let cancel = clock.at(clock.now() + everyMs, beat);
  socket.on('pong', () => {
    pingedAt = undefined;
  });
  socket.on('close', () => cancel());
  return {
    /** Whether no ping has been waiting for its answer for long. */
    isResponsive: () => pingedAt === undefined || clock.now() - pingedAt < everyMs / 3,
  };
};

/** A `ws` socket as a Connection. */
export const webSocketConnection = (
  socket: WebSocket,
  remote: string,
  clock: Clock,
  heartbeatMs: number,
): ServerConnection => {
  const early: Uint8Array[] = [];
  let handlers: ConnectionHandlers | undefined;
  let closed: readonly [number, string] | undefined;
  const heart = keepAlive(socket, clock, heartbeatMs, () => connection.mayBeSilent?.() === true);
  socket.on('message', (data, isBinary) => {
    if (!isBinary) return socket.close(CLOSE_WITH_ERROR, 'frame_malformed');
    const bytes = toBytes(data);
    if (handlers === undefined) early.push(bytes);
    else handlers.message(bytes);
  });
  socket.on('close', (code, reason) => {
    closed = [code, reason.toString()];
    handlers?.close(code, reason.toString());
  });
  // A close always follows, with the code that says why.
  socket.on('error', () => socket.terminate());
  const connection: ServerConnection = {
    remote,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    get responsive() {
      return heart.isResponsive();
    },
    send: (frame) => {
      if (socket.readyState === socket.OPEN) socket.send(frame);
    },
    close: (code, reason) => {
      if (socket.readyState === socket.CONNECTING) socket.terminate();
      else socket.close(code === ABNORMAL ? CLOSE_WITH_ERROR : code, reason);
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
  /** Ends all sockets. */
  close(): void;
}

/** @param accept called with each new connection */
export const webSocketGate = (
  limits: Limits,
  clock: Clock,
  accept: (connection: ServerConnection) => void,
): WebSocketGate => {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    // Beyond the frame limit, so that a frame a little too large is still refused by name.
    maxPayload: 2 * limits.frameBytes,
  });
  return {
    upgrade: (request, socket, head) => {
      const { remoteAddress = 'unknown', remotePort = 0 } = request.socket;
      request.socket.setKeepAlive(true, limits.heartbeatMs);
      server.handleUpgrade(request, socket, head, (ws) =>
        accept(
          webSocketConnection(ws, `${remoteAddress}:${remotePort}`, clock, limits.heartbeatMs),
        ),
      );
    },
    close: () => {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
};
