/**
 * @module A tiny object server in this process, with the part of S3's interface that a store of
 * blobs needs: put, get with ranges, head, delete, list by prefix. With `lag`, a new object shows
 * only after some further requests, as in a store whose replicas catch up with time.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ObjectServer {
  readonly url: string;
  /** Everything stored, by key; a test may change it behind the store's back. */
  readonly objects: Map<string, Uint8Array>;
  /** Requests answered so far, by method. */
  readonly requests: Map<string, number>;
  close(): Promise<void>;
}

export interface ObjectServerOptions {
  /** Requests for which a new object stays invisible. Default 0: consistent at once. */
  readonly lag?: number;
  /** Largest object, bytes. Default 64 MiB. */
  readonly maxBytes?: number;
}

const PAGE_KEYS = 1000;

const bodyOf = async (request: IncomingMessage, most: number): Promise<Uint8Array | undefined> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
};

const answer = (
  response: ServerResponse,
  status: number,
  body?: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(status, headers).end(body);
};

/** `bytes=first-last` as [start, end); undefined where none was asked for. */
const rangeOf = (header: string | undefined, size: number): [number, number] | undefined => {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/u.exec(header ?? '');
  return match === null ? undefined : [Number(match[1]), Math.min(size, Number(match[2]) + 1)];
};

export const startObjectServer = async ({
  lag = 0,
  maxBytes = 64 << 20,
}: ObjectServerOptions = {}): Promise<ObjectServer> => {
  const objects = new Map<string, Uint8Array>();
  const requests = new Map<string, number>();
  /** When a new object shows, as a count of requests. */
  const visibleAt = new Map<string, number>();
  let count = 0;

  const isVisible = (key: string): boolean => (visibleAt.get(key) ?? 0) <= count;

  const list = (response: ServerResponse, query: URLSearchParams): void => {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('start-after') ?? '';
    const keys = [...objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after && isVisible(key))
      .toSorted();
    const page = { keys: keys.slice(0, PAGE_KEYS), isTruncated: keys.length > PAGE_KEYS };
    answer(response, 200, JSON.stringify(page), { 'content-type': 'application/json' });
  };

  const get = (request: IncomingMessage, response: ServerResponse, key: string): void => {
    const bytes = isVisible(key) ? objects.get(key) : undefined;
    if (bytes === undefined) return answer(response, 404);
    if (request.method === 'HEAD')
      return answer(response, 200, undefined, { 'content-length': `${bytes.length}` });
    const range = rangeOf(request.headers.range, bytes.length);
    if (range === undefined) return answer(response, 200, bytes);
    const [start, end] = range;
    if (start >= end) return answer(response, 416);
    answer(response, 206, bytes.subarray(start, end), {
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    });
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET' } = request;
    requests.set(method, (requests.get(method) ?? 0) + 1);
    count += 1;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const key = decodeURIComponent(pathname.slice(1));
    if (method === 'PUT') {
      const bytes = await bodyOf(request, maxBytes);
      if (bytes === undefined) return answer(response, 413);
      if (!objects.has(key)) visibleAt.set(key, count + lag);
      objects.set(key, bytes);
      return answer(response, 200);
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return answer(response, 204);
    }
    if (method !== 'GET' && method !== 'HEAD') return answer(response, 405);
    return key === '' ? list(response, searchParams) : get(request, response, key);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    objects,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
