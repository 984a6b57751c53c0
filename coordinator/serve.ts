/**
 * @module Serves WebSocket sessions and HTTP on one port, with TLS if certificate files are given.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import { createServer as createProbe, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createAdaptorServer } from '@hono/node-server';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { FloeError } from '../protocol/errors.ts';
import { publicNetwork, type NetworkConfig } from '../protocol/net/config.ts';
import { addressGate } from './addresses.ts';
import { createHttp } from './http.ts';
import type { Coordinator } from './coordinator.ts';
import { safeLogger, type Logger } from './log.ts';
import { fingerprintOf } from './self-signed.ts';
import { originPolicy } from './origins.ts';
import { webSocketGate } from './websocket.ts';

export interface ServeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Paths of PEM files. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** The coordinator's own store: its blobs can be downloaded. */
  readonly store: BlobStore;
  /**
   * Where uploads over HTTP go, when not there: while an attempt is open they wait where storage
   * costs nothing.
   */
  readonly uploads?: BlobStore;
  /**
   * True if uploads are stored on the coordinator's own disk. An upload that was checked on receipt
   * is then not hashed as a whole again when it is folded. Default false.
   */
  readonly ownsUploads?: boolean;
  /**
   * The network of the run, announced to clients without parts that may hold the owner's
   * credentials.
   */
  readonly network?: NetworkConfig;
  /**
   * Origins of the web pages that may take part and read the run, such as `https://pages.example`,
   * or `*`. Default: none.
   */
  readonly allowOrigins?: readonly string[];
  readonly log: Logger;
}

export interface Served {
  /** `http://host:port` or `https://...`; the WebSocket is at the same address with ws or wss. */
  readonly url: string;
  readonly port: number;
  /** SHA-256 of the certificate, 64 hex digits; undefined without TLS. */
  readonly fingerprint: string | undefined;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

const readPem = async (path: string): Promise<Buffer> => {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new FloeError(
      'file_not_found',
      `cannot read ${path}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
};

const readTls = async ({
  certFile,
  keyFile,
}: NonNullable<ServeOptions['tls']>): Promise<{ readonly cert: Buffer; readonly key: Buffer }> => {
  const pair = { cert: await readPem(certFile), key: await readPem(keyFile) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    throw new FloeError(
      'usage',
      `${certFile} and ${keyFile}: expected a certificate and its key in PEM: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
  return pair;
};

/**
 * Checks options of {@link serve} that need no run.
 * @throws FloeError `file_not_found` for a certificate; `usage` for one that is no certificate, or
 * another key's, and for an invalid origin
 */
export const requireServable = async ({
  tls,
  allowOrigins = [],
}: Pick<ServeOptions, 'tls' | 'allowOrigins'>): Promise<void> => {
  originPolicy(allowOrigins);
  if (tls !== undefined) await readTls(tls);
};

/** Of a request, its address included. */
const MAX_HEADER_BYTES = 8192;

const REFUSED = [
  'HTTP/1.1 403 Forbidden',
  'x-floe-error: origin_not_allowed',
  'content-length: 0',
  'connection: close',
  '',
  '',
].join('\r\n');

/** Why a server does not listen. */
const notListening = (host: string, port: number, cause: NodeJS.ErrnoException): FloeError => {
  if (cause.code === 'EADDRINUSE')
    return new FloeError(
      'port_unavailable',
      `port ${port} of ${host} is in use by another process`,
      { host, port },
      { cause },
    );
  if (cause.code === 'EACCES')
    return new FloeError(
      'port_unavailable',
      `this process may not listen on port ${port} of ${host}`,
      { host, port },
      { cause },
    );
  return new FloeError(
    'usage',
    `cannot listen on ${host}:${port}: ${cause.message}`,
    {},
    { cause },
  );
};

/**
 * Listens for a moment: a port that is taken is named before anything is read, derived, paid for or
 * stored.
 * @throws FloeError `port_unavailable`, `usage`
 */
export const requireFreePort = async (host: string, port: number): Promise<void> => {
  if (port === 0) return;
  // A participant that tries the port just now tries again.
  const probe = createProbe((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause) => reject(notListening(host, port, cause)));
    probe.listen(port, host, resolve);
  });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
};

/**
 * @throws FloeError `file_not_found` for a certificate; `usage` for an invalid origin, or when the
 * server cannot listen on the address; `port_unavailable` when the port is taken
 */
export const serve = async (coordinator: Coordinator, options: ServeOptions): Promise<Served> => {
  const { host, port, tls, store, uploads = store, network } = options;
  const log = safeLogger(options.log);
  const origins = originPolicy(options.allowOrigins ?? []);
  const app = createHttp(coordinator, {
    store,
    uploads,
    ownsUploads: options.ownsUploads ?? false,
    log,
    origins,
    network: network && publicNetwork(network),
  });
  const { limits, clock } = coordinator;
  // A request that comes slowly, or never, holds a socket no longer than this.
  const timeouts = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const pair = tls === undefined ? undefined : await readTls(tls);
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    ...(pair === undefined
      ? { createServer: createHttpServer, serverOptions: timeouts }
      : {
          createServer: createHttpsServer,
          serverOptions: {
            ...timeouts,
            handshakeTimeout: limits.headersTimeoutMs,
            ...pair,
          },
        }),
  }) as Server;
  const addresses = addressGate(limits, clock);
  // Before TLS, which costs more than the connection.
  server.prependListener('connection', (socket) => addresses.accept(socket));
  const gate = webSocketGate(
    limits,
    clock,
    (connection) => coordinator.accept(connection),
    (remote) => addresses.keep(remote),
  );
  /** Answers, and ends the socket whether or not the peer does. */
  const refuse = (socket: Duplex, answer: string): void => {
    const cancel = clock.at(clock.now() + limits.lingerMs, () => socket.destroy());
    socket.once('close', cancel);
    socket.end(answer);
  };
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (!origins.allowsUpgrade(request)) {
      log.warn({ origin: request.headers.origin, code: 'origin_not_allowed' }, 'upgrade refused');
      refuse(socket, REFUSED);
    } else if (request.url === '/') gate.upgrade(request, socket, head);
    else refuse(socket, 'HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(notListening(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  const name = host.includes(':') ? `[${host}]` : host;
  const url = `${tls === undefined ? 'http' : 'https'}://${name}:${bound}`;
  log.info({ url, store: store.kind, tls: tls !== undefined }, 'listening');
  return {
    url,
    port: bound,
    fingerprint: pair && fingerprintOf(pair.cert),
    close: () =>
      new Promise((resolve, reject) => {
        gate.close();
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
};
