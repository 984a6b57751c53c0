/** Two ends of one connection in memory: ordered, asynchronous (a frame arrives in a later microtask), closed for both. */
import type { Connection, ConnectionHandlers } from '../../protocol/connection.ts';

interface End extends Connection {
  /** What was sent from here, in order. */
  readonly sent: readonly Uint8Array[];
}

export const connectionPair = (): readonly [End, End] => {
  let closed = false;
  const handlers: (ConnectionHandlers | undefined)[] = [undefined, undefined];
  const waiting: (() => void)[][] = [[], []];
  const deliver = (to: number, action: (handler: ConnectionHandlers) => void): void => {
    waiting[to]!.push(() => action(handlers[to]!));
    queueMicrotask(() => drain(to));
  };
  const drain = (to: number): void => {
    while (handlers[to] !== undefined && waiting[to]!.length > 0) waiting[to]!.shift()!();
  };
  const end = (self: number): End => {
    const sent: Uint8Array[] = [];
    return {
      remote: 'memory',
      bufferedBytes: 0,
      sent,
      send: (frame) => {
        if (closed) return;
        sent.push(frame);
        deliver(1 - self, (handler) => handler.message(new Uint8Array(frame)));
      },
      close: (code, reason) => {
        if (closed) return;
        closed = true;
        for (const side of [0, 1]) deliver(side, (handler) => handler.close(code, reason));
      },
      receive: (given) => {
        handlers[self] = given;
        queueMicrotask(() => drain(self));
      },
    };
  };
  return [end(0), end(1)];
};
