/**
 * @module The simulated network: the Connection port over a MessagePort, and a counter of bytes
 * around any connection. A message channel is ordered and reliable, as the port requires, and
 * copies its messages like a socket.
 */
import type { MessagePort } from 'node:worker_threads';
import * as v from 'valibot';
import type { Connection, ConnectionHandlers } from '../protocol/wire/connection.ts';

/** What travels over the port: a frame, or the close with its code and reason. */
const messageSchema = v.union([
  v.instance(Uint8Array),
  v.strictObject({ code: v.number(), reason: v.string() }),
]);

/** RFC 6455, section 7.4.1: the connection broke without a close frame. */
export const CLOSE_ABNORMAL = 1006;

/** A connection over one end of a message channel. */
export const portConnection = (port: MessagePort, remote: string): Connection => {
  let handlers: ConnectionHandlers | undefined;
  let closed: readonly [code: number, reason: string] | undefined;
  const early: Uint8Array[] = [];
  const finish = (code: number, reason: string): void => {
    if (closed !== undefined) return;
    closed = [code, reason];
    port.close();
    handlers?.close(code, reason);
  };
  port.on('message', (value: unknown) => {
    if (closed !== undefined) return;
    const message = v.parse(messageSchema, value);
    if (!(message instanceof Uint8Array)) finish(message.code, message.reason);
    else if (handlers === undefined) early.push(message);
    else handlers.message(message);
  });
  port.on('close', () => finish(CLOSE_ABNORMAL, 'the peer is gone'));
  return {
    remote,
    // A message port has no backpressure: its unread bytes are unknown.
    bufferedBytes: 0,
    send: (frame) => {
      if (closed === undefined) port.postMessage(frame);
    },
    close: (code, reason) => {
      if (closed !== undefined) return;
      port.postMessage({ code, reason });
      finish(code, reason);
    },
    receive: (given) => {
      handlers = given;
      for (const frame of early.splice(0)) given.message(frame);
      if (closed !== undefined) given.close(...closed);
    },
  };
};

/** Bytes of frames through a connection, seen from the coordinator: up is towards it. */
export interface Traffic {
  up: number;
  down: number;
}

/** Adds the bytes of a frame. */
export type Count = (way: keyof Traffic, bytes: number) => void;

/** The actions of an observer on a frame. */
export interface Tap {
  /** A frame has come from the participant and is about to be handled. */
  readonly up?: (frame: Uint8Array) => void;
  /** A frame has just been sent to the participant. */
  readonly down?: (frame: Uint8Array) => void;
}

/** The coordinator's end of a connection, with its bytes counted and its frames shown to `tap`. */
export const tapped = (connection: Connection, count: Count, tap: Tap = {}): Connection => ({
  remote: connection.remote,
  get bufferedBytes() {
    return connection.bufferedBytes;
  },
  send: (frame) => {
    count('down', frame.length);
    connection.send(frame);
    tap.down?.(frame);
  },
  close: (code, reason) => connection.close(code, reason),
  receive: (handlers) =>
    connection.receive({
      close: handlers.close,
      message: (frame) => {
        count('up', frame.length);
        tap.up?.(frame);
        handlers.message(frame);
      },
    }),
});
