/**
 * @module The devnet's HTTP servers: loopback only, bounded bodies, CORS for browsers, a gate that
 * applies faults, and a stop that closes every socket. The keep-alive time is longer than any
 * client's idle time, because the SDKs report "fetch failed" if a busy process closes a pooled
 * connection.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { DevnetError } from './errors.ts';

/** One parsed request. */
export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Uint8Array;
  /** Aborted when the client hangs up before it has its answer. */
  readonly signal: AbortSignal;
}

/** One reply; `body` strings are sent as UTF-8. */
export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpReply> | HttpReply;

/** Switched on by faults: `down` drops every connection, `delayMs` makes every reply late. */
export interface ServerGate {
  down: boolean;
  delayMs: number;
}

export interface HttpServerOptions {
  readonly port?: number;
  /** Largest body in bytes; more is answered 413. */
  readonly bodyLimit: number;
  /** Response headers that browsers may read besides the simple ones. */
  readonly exposeHeaders?: readonly string[];
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly gate: ServerGate;
  /**
   * Answers a request of this process without a socket, as the socket would: behind the same gate.
   *
   * @returns undefined when the connection is dropped
   * @throws the signal's reason when it is aborted before the answer
   */
  dispatch(request: HttpRequest): Promise<HttpReply | undefined>;
  stop(): Promise<void>;
}

/** A JSON reply; bigints become decimal strings. */
export const json = (
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): HttpReply => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  ),
});

const failed = (error: unknown): HttpReply => {
  const message = error instanceof Error ? error.message : String(error);
  return json({ error: { status: 'INTERNAL', code: 500, message, details: [] } }, 500);
};

class BodyTooLarge extends Error {}

const readBody = async (request: IncomingMessage, limit: number): Promise<Uint8Array> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const corsHeaders = (
  request: IncomingMessage,
  expose: readonly string[],
): Record<string, string> => ({
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, OPTIONS',
  'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
  'access-control-max-age': '86400',
  ...(expose.length > 0 ? { 'access-control-expose-headers': expose.join(', ') } : {}),
});

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new DevnetError('port_taken', `port ${port} is taken`, { cause: error })
          : error,
      );
    });
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error');
      const address = server.address();
      if (address === null || typeof address === 'string')
        reject(new DevnetError('internal', 'expected a TCP address of the server'));
      else resolve(address.port);
    });
  });

/**
 * Starts a server on 127.0.0.1 (`port` 0 or absent: any free port).
 *
 * @throws {DevnetError} `port_taken`
 */
export const startHttpServer = async (
  handler: HttpHandler,
  options: HttpServerOptions,
): Promise<RunningServer> => {
  const gate: ServerGate = { down: false, delayMs: 0 };
  const dispatch = async (request: HttpRequest): Promise<HttpReply | undefined> => {
    if (gate.down) return undefined;
    if (gate.delayMs > 0) await sleep(gate.delayMs, undefined, { signal: request.signal });
    request.signal.throwIfAborted();
    let reply: HttpReply;
    try {
      reply = await handler(request);
    } catch (error) {
      reply = failed(error);
    }
    return gate.down ? undefined : reply;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (gate.down) {
      request.socket.destroy();
      return;
    }
    const cors = corsHeaders(request, options.exposeHeaders ?? []);
    const send = (reply: HttpReply): void => {
      response.writeHead(reply.status, { ...cors, ...reply.headers });
      response.end(reply.body ?? '');
    };
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableEnded) gone.abort();
    });
    try {
      if (request.method === 'OPTIONS') {
        send({ status: 204 });
        return;
      }
      const reply = await dispatch({
        method: request.method ?? 'GET',
        url: new URL(request.url ?? '/', 'http://127.0.0.1'),
        headers: request.headers,
        body: await readBody(request, options.bodyLimit),
        signal: gone.signal,
      });
      if (reply) send(reply);
      else request.socket.destroy();
    } catch (error) {
      if (error instanceof BodyTooLarge) {
        // The rest of the body is not read: the connection cannot be reused.
        response.shouldKeepAlive = false;
        send(json({ error: 'PayloadTooLarge', message: `limit ${options.bodyLimit} bytes` }, 413));
        // A client that hung up has no use for an answer.
      } else if (!gone.signal.aborted && !request.socket.destroyed) send(failed(error));
    }
  };
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.keepAliveTimeout = 120_000;
  server.headersTimeout = 130_000;
  const port = await listen(server, options.port ?? 0);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    gate,
    dispatch,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
};
