/**
 * @module A WebSocket as a Connection, from the client's side, for the coordinator's tests.
 */
import { WebSocket } from 'ws';
import type { Connection, ConnectionHandlers } from '../../protocol/wire/connection.ts';

/**
 * A connection whose process can be held up: nothing is read, and no ping answered, until it is let
 * go.
 */
export interface HeldConnection extends Connection {
  hold(): void;
  letGo(): void;
}

export const dial = async (url: string, options: object = {}): Promise<HeldConnection> => {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options);
  const early: Uint8Array[] = [];
  let handlers: ConnectionHandlers | undefined;
  socket.on('message', (data) => {
    const bytes = new Uint8Array(data as Buffer);
    if (handlers === undefined) early.push(bytes);
    else handlers.message(bytes);
  });
  socket.on('close', (code, reason) => handlers?.close(code, reason.toString()));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => socket.terminate());
  return {
    remote: url,
    bufferedBytes: 0,
    send: (frame) => socket.send(frame),
    close: (code, reason) => socket.close(code, reason),
    hold: () => socket.pause(),
    letGo: () => socket.resume(),
    receive: (given) => {
      handlers = given;
      for (const frame of early.splice(0)) given.message(frame);
    },
  };
};
