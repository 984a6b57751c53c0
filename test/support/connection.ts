/**
 * @module Two ends of a connection in memory: ordered, asynchronous, closed from either side.
 */
import type { Connection, ConnectionHandlers } from '../../protocol/wire/connection.ts';

interface End {
  handlers: ConnectionHandlers | undefined;
  readonly waiting: (() => void)[];
}

export const connectionPair = (name = 'pair'): readonly [Connection, Connection] => {
  const ends: [End, End] = [
    { handlers: undefined, waiting: [] },
    { handlers: undefined, waiting: [] },
  ];
  let closed = false;
  const deliver = (end: End, act: (handlers: ConnectionHandlers) => void): void => {
    const run = (): void => {
      if (end.handlers !== undefined) act(end.handlers);
    };
    if (end.handlers === undefined) end.waiting.push(run);
    else queueMicrotask(run);
  };
  const side = (own: End, other: End, remote: string): Connection => ({
    remote,
    bufferedBytes: 0,
    send: (frame) => {
      const copy = new Uint8Array(frame);
      if (!closed) deliver(other, (handlers) => handlers.message(copy));
    },
    close: (code, reason) => {
      if (closed) return;
      closed = true;
      for (const end of [other, own]) deliver(end, (handlers) => handlers.close(code, reason));
    },
    receive: (handlers) => {
      own.handlers = handlers;
      for (const run of own.waiting.splice(0)) queueMicrotask(run);
    },
  });
  return [side(ends[0], ends[1], `${name}/server`), side(ends[1], ends[0], `${name}/client`)];
};
