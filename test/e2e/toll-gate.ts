/**
 * @module Where a process that talks to a network can be watched and killed: a proxy before its RPC
 * node and its upload relay, which knows what every call is for. A kill point is a call by its
 * place in the order of things, before it is delivered or after it was, with its answer on the way:
 * what the process has on disk then is what a crash there leaves.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { NetworkConfig } from '../../protocol/net/config.ts';

/**
 * Names of Move functions, or of their module, as they stand in a transaction; and the upload of a
 * blob's bytes.
 */
export const CALLS = [
  'publication',
  // The initial version is published together with its freezes.
  'publish_version',
  'create',
  'register_blob',
  'certify_blob',
  'freeze_cohort',
  'freeze_survivors',
  'upload',
] as const;
export type Call = (typeof CALLS)[number];

export interface KillPoint {
  readonly call: Call;
  /** `before`: it is not delivered. `after`: it took effect, and nobody hears of it. */
  readonly when: 'before' | 'after';
  /** The call is about a blob that is a quilt. */
  readonly quilt?: boolean;
}

interface Seen {
  readonly call: Call;
  readonly quilt: boolean;
}

const seenIn = (url: string, body: Buffer): Seen | undefined => {
  if (url.includes('blob-upload-relay')) return { call: 'upload', quilt: false };
  if (!url.endsWith('/ExecuteTransaction')) return undefined;
  // grpc-web-text: the frames are in base64; names stand in them as they are.
  const text = Buffer.from(body.toString('latin1'), 'base64').toString('latin1');
  const call = CALLS.find((name) => text.includes(name));
  return call && { call, quilt: text.includes('_walrusBlobType') };
};

export class TollGate {
  #points: readonly KillPoint[] = [];
  #reached = Promise.withResolvers<KillPoint>();
  #kill: () => Promise<void> = async () => undefined;
  readonly #closing: (() => void)[] = [];

  /** The network as it is seen through the gate. */
  async guard(network: NetworkConfig): Promise<NetworkConfig> {
    const { relayUrl } = network.walrus;
    if (relayUrl === undefined) throw new Error('expected a network with an upload relay');
    return {
      ...network,
      rpcUrl: await this.#proxy(network.rpcUrl),
      walrus: { ...network.walrus, relayUrl: await this.#proxy(relayUrl) },
    };
  }

  /** Waits for any of these points. @returns the one that was met, with the process dead */
  arm(points: readonly KillPoint[], kill: () => Promise<void>): Promise<KillPoint> {
    this.#points = points;
    this.#kill = kill;
    this.#reached = Promise.withResolvers<KillPoint>();
    return this.#reached.promise;
  }

  close(): void {
    for (const close of this.#closing) close();
  }

  #pointAt(seen: Seen, when: KillPoint['when']): KillPoint | undefined {
    return this.#points.find(
      (point) =>
        point.when === when &&
        point.call === seen.call &&
        (point.quilt === undefined || point.quilt === seen.quilt),
    );
  }

  async #die(point: KillPoint, response: ServerResponse): Promise<void> {
    this.#points = [];
    await this.#kill();
    response.destroy();
    this.#reached.resolve(point);
  }

  async #pass(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const seen = seenIn(request.url ?? '', body);
    const doomed = seen && this.#pointAt(seen, 'before');
    if (doomed) return this.#die(doomed, response);
    const {
      'content-length': _length,
      host: _host,
      connection: _connection,
      ...headers
    } = request.headers;
    const answer = await fetch(new URL(request.url ?? '', target), {
      method: request.method ?? 'GET',
      headers: Object.entries(headers).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value] as [string, string]] : [],
      ),
      ...(request.method === 'POST' || request.method === 'PUT'
        ? { body: new Uint8Array(body) }
        : {}),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const unheard = seen && this.#pointAt(seen, 'after');
    if (unheard) return this.#die(unheard, response);
    const type = answer.headers.get('content-type');
    response.writeHead(answer.status, type === null ? {} : { 'content-type': type });
    response.end(bytes);
  }

  async #proxy(target: string): Promise<string> {
    const server = createServer((request, response) => {
      this.#pass(target, request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#closing.push(() => {
      server.close();
      server.closeAllConnections();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}
