/**
 * @module `fetch` for the devnet's own clients (relay, publisher, aggregator). A request to a
 * server of the same process goes directly to its handler, behind the same gate: the same faults
 * apply as over a socket, without its cost.
 */
import type { RunningServer } from './http.ts';

type BodyOf = NonNullable<RequestInit['body']>;

const bytesOf = (body: BodyOf | null | undefined): Uint8Array | undefined => {
  if (body === null || body === undefined) return new Uint8Array();
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : undefined;
};

/**
 * @param serverOf the server of an origin such as `http://127.0.0.1:4000`, if it is one of this
 * process
 */
export const localFetch =
  (serverOf: (origin: string) => RunningServer | undefined): typeof fetch =>
  async (input, init = {}) => {
    const url = input instanceof Request ? undefined : new URL(input);
    const server = url && serverOf(url.origin);
    const body = bytesOf(init.body);
    if (!url || !server || !body) return fetch(input, init);
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const reply = await server.dispatch({
      method: init.method ?? 'GET',
      url,
      headers: Object.fromEntries(new Headers(init.headers)),
      body,
      signal,
    });
    // What the platform's fetch says of a connection that was dropped.
    if (!reply) throw new TypeError('fetch failed');
    const { status, headers = {} } = reply;
    const content =
      typeof reply.body === 'string' ? reply.body : reply.body && Buffer.from(reply.body);
    return new Response(content ?? null, { status, headers });
  };
