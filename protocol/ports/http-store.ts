/**
 * @module A BlobStore behind the coordinator's `/blobs` endpoint, for participants that share no
 * disk with it. Uploads carry a signature of the member over run, hash and size; downloads need
 * nothing, since every blob is ciphertext.
 */
import { toHex, sha256 } from '../bytes.ts';
import { FloeError, isErrorCode } from '../errors.ts';
import { isOwnFault } from '../own-faults.ts';
import { deadline, sleep, systemClock, type Clock } from './clock.ts';
import type { Identity } from './identity.ts';
import { base64url } from '../wire/base64url.ts';
import { readSized } from '../wire/body.ts';
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
  readonly clock?: Clock;
  readonly fetch?: typeof globalThis.fetch;
}

const PARTIAL_CONTENT = 206;
const TOO_MANY_REQUESTS = 429;
/** Seconds that a server may ask to wait, and how often it may ask before that is an outage. */
const MOST_WAIT_S = 30;
const MAX_TRIES = 4;

/** The value of the `authorization` header of an upload. */
export const blobAuthorization = (
  identity: Identity,
  run: Uint8Array,
  hash: Uint8Array,
  size: number,
): string =>
  `Floe ${base64url(identity.publicKey)}.${base64url(identity.sign('blob-put', blobPutPayload(run, hash, size)))}`;

/** Reads at most `size` bytes: a server that sends more is cut off, not buffered. */
const readExactly = ({ body }: Response, size: number): Promise<Uint8Array> =>
  readSized(body, size, () => new FloeError('blob_corrupt', `expected ${size} bytes, got more`));

/** Seconds that the answer to a request too many names (RFC 9110, section 10.2.3), as ms. */
const waitOf = (header: string | null): number =>
  1000 * (/^\d{1,4}$/u.test(header ?? '') ? Math.min(Number(header), MOST_WAIT_S) : 1);

/** What an answer other than 2xx means. */
const refusal = async (response: Response, path: string): Promise<FloeError> => {
  const code = response.headers.get('x-floe-error') ?? '';
  await response.body?.cancel();
  const message = `the coordinator answered ${response.status} to ${path}`;
  if (response.status === TOO_MANY_REQUESTS) {
    const retryAfterMs = waitOf(response.headers.get('retry-after'));
    return new FloeError('rate_limited', message, { retryAfterMs });
  }
  // A fault of the other side's program is an outage here, not a fault of this program.
  if (isErrorCode(code) && !isOwnFault(code)) return new FloeError(code, message);
  return new FloeError(response.status === 404 ? 'blob_not_found' : 'store_unavailable', message);
};

const pathOf = (id: string): string => `/blobs/${encodeURIComponent(id)}`;

export const httpBlobStore = ({
  url,
  identity,
  run,
  timeoutMs = 120_000,
  clock = systemClock,
  fetch = globalThis.fetch,
}: HttpBlobStoreInit): BlobStore => {
  /** Waits as long as a server says that is over-asked, and asks again, at most so often. */
  const exchange = async <Result>(
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<Result>,
  ): Promise<Result> => {
    for (let tries = 1; ; tries += 1)
      try {
        return await exchangeOnce(path, init, signal, read);
      } catch (thrown) {
        if (tries === MAX_TRIES || !(thrown instanceof FloeError)) throw thrown;
        const { retryAfterMs } = thrown.details;
        if (typeof retryAfterMs !== 'number') throw thrown;
        await sleep(clock, retryAfterMs, signal);
      }
  };

  /** One request and what is read of its answer, within the time. */
  const exchangeOnce = async <Result>(
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<Result>,
  ): Promise<Result> => {
    const limit = deadline(clock, timeoutMs, signal);
    try {
      const response = await fetch(new URL(path, url), { ...init, signal: limit.signal });
      if (!response.ok) throw await refusal(response, path);
      return await read(response);
    } catch (cause) {
      if (cause instanceof FloeError) throw cause;
      if (signal?.aborted === true)
        throw new FloeError('aborted', 'The operation was cancelled.', {}, { cause });
      throw unreachable(url, cause, 'store_unavailable');
    } finally {
      limit.release();
    }
  };
  return {
    kind: 'http',
    put: async (bytes, { signal, sha256: hash = sha256(bytes) } = {}) => {
      const id = toHex(hash);
      const headers = {
        authorization: blobAuthorization(identity, run, hash, bytes.length),
        'content-type': 'application/octet-stream',
      };
      const body = bytes as Uint8Array<ArrayBuffer>;
      await exchange(`/blobs/${id}`, { method: 'PUT', headers, body }, signal, async (response) =>
        response.body?.cancel(),
      );
      return { id, sha256: hash, size: bytes.length };
    },
    get: (ref, { signal } = {}) =>
      exchange(pathOf(ref.id), {}, signal, async (response) =>
        checkBlob(ref, await readExactly(response, ref.size)),
      ),
    getRange: async (ref, start, end, { signal } = {}) => {
      checkRange(ref, start, end);
      // Nothing cannot be asked for (RFC 9110, section 14.1.2).
      if (start === end) return new Uint8Array();
      const headers = { range: `bytes=${start}-${end - 1}` };
      const path = pathOf(ref.id);
      return exchange(path, { headers }, signal, async (response) => {
        if (response.status !== PARTIAL_CONTENT) {
          await response.body?.cancel();
          throw new FloeError(
            'store_unavailable',
            `expected a part of the blob, the coordinator answered ${response.status} to ${path}`,
          );
        }
        return checkRangeLength(ref, start, end, await readExactly(response, end - start));
      });
    },
  };
};
