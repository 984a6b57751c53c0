/**
 * @module Logins with any test identity, and such a login with the socket below it, for tests that
 * then send raw bytes.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { logIn, type Session } from '../../client/participant/host/session.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { testIdentity } from './run.ts';

/** Logs in and ignores every frame. */
export const logInAs = async (name: string, connection: Connection): Promise<Session> =>
  logIn(connection, {
    identity: await testIdentity(name),
    expect: {},
    clock: systemClock,
    random: systemRandom,
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    onFrame: () => undefined,
  });

/** @param closing gets what ends the connection */
export const rawLogin = async (
  url: string,
  name: string,
  closing: (() => unknown)[],
  localAddress?: string,
): Promise<Socket> => {
  const socket = new WebSocket(url, localAddress === undefined ? {} : { localAddress });
  closing.push(() => socket.terminate());
  socket.on('error', () => undefined);
  const upgraded = once(socket, 'upgrade').then(([answer]) => (answer as IncomingMessage).socket);
  await once(socket, 'open');
  const raw = await upgraded;
  await logInAs(name, {
    remote: name,
    bufferedBytes: 0,
    send: (frame) => socket.send(frame),
    close: () => undefined,
    receive: ({ message }) =>
      socket.on('message', (data) => message(new Uint8Array(data as Buffer))),
  });
  return raw;
};
