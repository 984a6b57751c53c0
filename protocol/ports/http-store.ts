/**
 * @module A BlobStore behind the coordinator's `/blobs` endpoint, for participants that share no disk with it. Uploads carry
 * a signature of the member over run, hash and size; downloads need nothing, since every blob is ciphertext.
 */
import { toHex, sha256 } from '../bytes.ts';
import { FloeError, isErrorCode } from '../errors.ts';
import type { Identity } from './identity.ts';
import { blobPutPayload } from '../wire/messages.ts';
import { unreachable } from '../wire/unreachable.ts';
import { checkBlob, checkRange, checkRangeLength, type BlobStore } from './blob-store.ts';

export interface HttpBlobStoreInit {
  /** Base address of the coordinator, `http://host:port` or `https://...`. */
  readonly url: string;
  readonly identity: Identity;
  /** Hash of the run specification. */
  readonly run: Uint8Array;
  /** Milliseconds one request may take. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof globalThis.fetch;
}

const PARTIAL_CONTENT = 206;

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCodePoint(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

/** The value of the `authorization` header of an upload. */
export const blobAuthorization = (
  identity: Identity,
  run: Uint8Array,
  hash: Uint8Array,
  size: number,
): string =>
  `Floe ${base64url(identity.publicKey)}.${base64url(identity.sign('blob-put', blobPutPayload(run, hash, size)))}`;

/** Reads at most `size` bytes: a server that sends more is cut off, not buffered. */
const readExactly = async (response: Response, size: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size);
  let at = 0;
  if (response.body !== null)
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      if (at + chunk.length > size)
        throw new FloeError('blob_corrupt', `expected ${size} bytes, got more`);
      bytes.set(chunk, at);
      at += chunk.length;
    }
  return at === size ? bytes : bytes.subarray(0, at);
};

export const httpBlobStore = ({
  url,
  identity,
  run,
  timeoutMs = 120_000,
  fetch = globalThis.fetch,
}: HttpBlobStoreInit): BlobStore => {
  const request = async (
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
  ): Promise<Response> => {
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    try {
      response = await fetch(new URL(path, url), {
        ...init,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
    } catch (cause) {
      if (signal?.aborted === true)
        throw new FloeError('aborted', 'The operation was cancelled.', {}, { cause });
      throw unreachable(url, cause, 'store_unavailable');
    }
    if (response.ok) return response;
    const code = response.headers.get('x-floe-error') ?? '';
    await response.body?.cancel();
    if (isErrorCode(code))
      throw new FloeError(code, `the coordinator answered ${response.status} to ${path}`);
    throw new FloeError(
      response.status === 404 ? 'blob_not_found' : 'store_unavailable',
      `the coordinator answered ${response.status} to ${path}`,
    );
  };
  return {
    kind: 'http',
    put: async (bytes, { signal, sha256: hash = sha256(bytes) } = {}) => {
      const id = toHex(hash);
      const headers = {
        authorization: blobAuthorization(identity, run, hash, bytes.length),
        'content-type': 'application/octet-stream',
      };
      const response = await request(
        `/blobs/${id}`,
        { method: 'PUT', headers, body: bytes as Uint8Array<ArrayBuffer> },
        signal,
      );
      await response.body?.cancel();
      return { id, sha256: hash, size: bytes.length };
    },
    get: async (ref, { signal } = {}) => {
      const response = await request(`/blobs/${encodeURIComponent(ref.id)}`, {}, signal);
      return checkBlob(ref, await readExactly(response, ref.size));
    },
    getRange: async (ref, start, end, { signal } = {}) => {
      checkRange(ref, start, end);
      // Nothing cannot be asked for (RFC 9110, section 14.1.2).
      if (start === end) return new Uint8Array();
      const headers = { range: `bytes=${start}-${end - 1}` };
      const path = `/blobs/${encodeURIComponent(ref.id)}`;
      const response = await request(path, { headers }, signal);
      if (response.status !== PARTIAL_CONTENT) {
        await response.body?.cancel();
        throw new FloeError(
          'store_unavailable',
          `expected a part of the blob, the coordinator answered ${response.status} to ${path}`,
        );
      }
      return checkRangeLength(ref, start, end, await readExactly(response, end - start));
    },
  };
};
