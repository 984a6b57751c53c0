/**
 * @module A BlobStore over an object server, as a program outside of Floe writes one: it imports
 * the public entry and nothing else of Floe. Blobs are objects named by their SHA-256, so putting
 * one twice is harmless. `put` returns once the object can be read, also where replicas lag behind.
 */
import {
  checkBlob,
  checkRange,
  checkRangeLength,
  FloeError,
  sha256,
  systemClock,
  toHex,
  type BlobRef,
  type BlobRemoval,
  type BlobStore,
  type Clock,
} from '../../protocol/index.ts';

export interface ObjectStoreOptions {
  /** Default `blobs/`. */
  readonly prefix?: string;
  readonly clock?: Clock;
  /** How often a new object is looked for before the store counts as unavailable. Default 50. */
  readonly looks?: number;
  readonly fetch?: typeof globalThis.fetch;
}

const ID = /^[0-9a-f]{64}$/u;
const LOOK_MS = 20;
const NOT_FOUND = 404;
const TOO_LARGE = 413;

/** At most `size` bytes: an object that is longer is cut off, not buffered. */
const readUpTo = async (response: Response, size: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    if (at + chunk.length > size)
      throw new FloeError('blob_corrupt', `expected ${size} bytes, got more`);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.subarray(0, at);
};

export const objectStore = (
  url: string,
  options: ObjectStoreOptions = {},
): BlobStore & BlobRemoval & { list(): Promise<readonly string[]> } => {
  const { prefix = 'blobs/', clock = systemClock, looks = 50 } = options;
  const { fetch = globalThis.fetch } = options;

  const unavailable = (message: string, cause?: unknown): FloeError =>
    new FloeError('store_unavailable', `${url}: ${message}`, {}, { cause });

  const request = async (
    path: string,
    init: RequestInit,
    signal?: AbortSignal,
  ): Promise<Response> => {
    signal?.throwIfAborted();
    let response: Response;
    try {
      response = await fetch(`${url}/${path}`, signal === undefined ? init : { ...init, signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw unavailable((cause as Error).message, cause);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status === NOT_FOUND)
      throw new FloeError('blob_not_found', `no object ${path}`, { blob: path });
    if (response.status === TOO_LARGE)
      throw new FloeError('blob_too_large', `the store refuses an object of this size`);
    throw unavailable(`status ${response.status} to ${path}`);
  };

  const pathOf = (id: string): string => {
    if (!ID.test(id)) throw new FloeError('blob_not_found', 'expected a blob id of 64 hex digits');
    return `${prefix}${id}`;
  };

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      clock.after(LOOK_MS, resolve);
    });

  /** Resolves once the object is seen. */
  const waitFor = async (path: string, signal: AbortSignal | undefined): Promise<void> => {
    for (let look = 1; ; look += 1)
      try {
        // Each look follows the one before.
        await request(path, { method: 'HEAD' }, signal);
        return;
      } catch (thrown) {
        const isMissing = thrown instanceof FloeError && thrown.code === 'blob_not_found';
        if (!isMissing) throw thrown;
        if (look === looks) throw unavailable(`${path} was stored and does not show`, thrown);
        await pause();
      }
  };

  const read = async (
    ref: BlobRef,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> => {
    const headers = { range: `bytes=${start}-${end - 1}` };
    const response = await request(pathOf(ref.id), { headers }, signal);
    return readUpTo(response, end - start);
  };

  return {
    kind: 'objects',
    put: async (bytes, { signal, sha256: known } = {}) => {
      const hash = known ?? sha256(bytes);
      const ref = { id: toHex(hash), sha256: hash, size: bytes.length };
      const path = pathOf(ref.id);
      const body = bytes as Uint8Array<ArrayBuffer>;
      await request(path, { method: 'PUT', body }, signal);
      await waitFor(path, signal);
      return ref;
    },
    get: async (ref, { signal } = {}) =>
      checkBlob(ref, await readUpTo(await request(pathOf(ref.id), {}, signal), ref.size)),
    getRange: async (ref, start, end, { signal } = {}) => {
      checkRange(ref, start, end);
      signal?.throwIfAborted();
      if (start === end) return new Uint8Array();
      return checkRangeLength(ref, start, end, await read(ref, start, end, signal));
    },
    discard: async (blobs) => {
      for (const { id } of blobs) if (ID.test(id)) await request(pathOf(id), { method: 'DELETE' });
    },
    list: async () => {
      const ids: string[] = [];
      for (let after = ''; ;) {
        const query = new URLSearchParams({ prefix, 'start-after': after });
        // Each page begins after the one before.
        const response = await request(`?${query}`, {});
        const page = (await response.json()) as { keys: string[]; isTruncated: boolean };
        ids.push(...page.keys.map((key) => key.slice(prefix.length)));
        after = page.keys.at(-1) ?? '';
        if (!page.isTruncated) return ids;
      }
    },
  };
};
