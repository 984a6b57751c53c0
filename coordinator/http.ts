/**
 * @module The coordinator over HTTP: health, metrics, the specification, the transcript, and the
 * blob endpoint for participants that share no disk with it. Only blobs named by a signed record
 * can be downloaded. Only members of the cohort can upload, with a signature over hash and size of
 * the blob. All other requests need no login; none of them makes the coordinator decode, verify or
 * hold data that grows with the length of the run.
 */
import type { HttpBindings } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono, type Context, type ErrorHandler } from 'hono';
import { cors } from 'hono/cors';
import { equalBytes, fromHex, sha256, toHex } from '../protocol/bytes.ts';
import type { BlobRef, BlobStore } from '../protocol/ports/blob-store.ts';
import { FloeError, toFloeError, type ErrorCode } from '../protocol/errors.ts';
import { verifySignature } from '../protocol/ports/identity.ts';
import { base64url, fromBase64url } from '../protocol/wire/base64url.ts';
import { readSized } from '../protocol/wire/body.ts';
import { blobPutPayload } from '../protocol/wire/messages.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import { countedAddress } from './addresses.ts';
import { createBlobRates, overRate } from './blob-rates.ts';
import { createAnswers, PIECE_BYTES, type Pieces, type Reader } from './streamed-answers.ts';
import type { Coordinator } from './coordinator.ts';
import { tokenBuckets, type TokenBuckets } from './limits.ts';
import { errorFields, type Logger } from './log.ts';
import type { OriginPolicy } from './origins.ts';

const STATUS: Readonly<Partial<Record<ErrorCode, 400 | 403 | 404 | 411 | 413 | 429 | 503>>> = {
  blob_not_found: 404,
  blob_too_large: 413,
  rate_limited: 429,
  store_refused: 403,
  login_refused: 403,
  blob_corrupt: 400,
  frame_malformed: 400,
  store_unavailable: 503,
  storage_full: 503,
  storage_read_only: 503,
  storage_failed: 503,
};

/** The request bindings of the server library. */
interface Env {
  Bindings: HttpBindings;
}

/** For refusals that no rate gives. */
const RETRY_AFTER_S = 1;

const BLOB_ID = /^[0-9a-f]{64}$/;
const AUTHORIZATION = /^Floe ([\w-]{43})\.([\w-]{86})$/;
const OCTETS = { 'content-type': 'application/octet-stream' };

/** The signer of an upload with these bytes. @throws FloeError `login_refused`, `store_refused` */
const uploader = (
  coordinator: Coordinator,
  header: string | undefined,
  hash: Uint8Array,
  size: number,
): string => {
  const match = AUTHORIZATION.exec(header ?? '');
  if (match === null)
    throw new FloeError(
      'login_refused',
      'expected the header authorization: Floe <key>.<signature>',
    );
  const [, key = '', signature = ''] = match;
  const publicKey = fromBase64url(key);
  const payload = blobPutPayload(coordinator.run, hash, size);
  if (!verifySignature('blob-put', payload, fromBase64url(signature), publicKey))
    throw new FloeError('login_refused', 'the signature over the upload does not verify');
  const hex = toHex(publicKey);
  if (!coordinator.isMember(hex))
    throw new FloeError('store_refused', 'only members of the cohort of this attempt may upload');
  return hex;
};

/** Reads exactly `size` bytes; a body that is longer or shorter is refused, not buffered. */
const readBody = async ({ body }: Request, size: number): Promise<Uint8Array> => {
  const refused = (got: string): FloeError =>
    new FloeError('blob_corrupt', `expected ${size} bytes, got ${got}`);
  const bytes = await readSized(body, size, () => refused('more'));
  if (bytes.length !== size) throw refused(`${bytes.length}`);
  return bytes;
};

const declaredSize = (context: Context, most: number): number => {
  const text = context.req.header('content-length') ?? '';
  const size = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(size)) throw new FloeError('frame_malformed', 'expected a content-length');
  if (size > most)
    throw new FloeError('blob_too_large', `expected at most ${most} bytes, got ${size}`);
  return size;
};

/**
 * One range of bytes, first to last (RFC 9110, section 14.1.2), as [start, end). Any other form is
 * answered with the whole, as the RFC allows.
 */
const rangeOf = (
  header: string | undefined,
  size: number,
): readonly [number, number] | undefined => {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header ?? '');
  if (match === null) return undefined;
  const [start, last] = [Number(match[1]), Number(match[2])];
  return start <= last && last < size ? [start, last + 1] : undefined;
};

/** A number in the query. @throws FloeError `frame_malformed` */
const queryNumber = (context: Context, name: string): number | undefined => {
  const text = context.req.query(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw new FloeError('frame_malformed', `expected a number as ${name}`);
  return Number(text);
};

/** The stored bytes of the transcript from an offset on. */
const transcriptPieces = ({ transcript }: Coordinator, from: number): Pieces => {
  const reading = transcript.read(from)[Symbol.asyncIterator]();
  return async () => {
    const next = await reading.next();
    return next.done === true ? undefined : next.value;
  };
};

/** Bytes [start, end) of a blob. */
const blobPieces = (
  store: BlobStore,
  ref: BlobRef,
  [start, end]: readonly [number, number],
  signal: AbortSignal,
): Pieces => {
  let at = start;
  return async () => {
    if (at === end) return undefined;
    const to = Math.min(end, at + PIECE_BYTES);
    const bytes = await store.getRange(ref, at, to, { signal });
    at = to;
    return bytes;
  };
};

/**
 * Reads the first piece before the status is sent, because a missing blob must be reported by name.
 */
const begun = async (next: Pieces): Promise<Pieces> => {
  const first = await next();
  let started = false;
  return async () => {
    if (started) return next();
    started = true;
    return first;
  };
};

const perMinute = (count: number) => tokenBuckets(count / 60, count);

const addressOf = (context: Context): string => countedAddress(getConnInfo(context).remote.address);

const readerOf = (context: Context<Env>): Reader => ({
  address: addressOf(context),
  hangUp: () => context.env.outgoing.destroy(),
});

/**
 * Limits the concurrent uploads of each member. The returned function throws FloeError
 * `rate_limited` for more than `most`.
 */
const createOneOfFew = (most: number) => {
  const uploading = new Map<string, number>();
  return async <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const before = uploading.get(key) ?? 0;
    if (before >= most)
      throw new FloeError('rate_limited', `expected at most ${most} uploads at once`);
    uploading.set(key, before + 1);
    try {
      return await work();
    } finally {
      const left = (uploading.get(key) ?? 1) - 1;
      if (left === 0) uploading.delete(key);
      else uploading.set(key, left);
    }
  };
};

/**
 * Converts an error of a handler to a response with its code. A fault of this program is not
 * detailed.
 */
const refusal =
  (log: Logger, metrics: Coordinator['metrics']): ErrorHandler<Env> =>
  (thrown, context) => {
    const error = toFloeError(thrown);
    const status = STATUS[error.code] ?? 500;
    // Clients over their rate must not flood the log.
    const level = error.code === 'rate_limited' ? 'debug' : 'warn';
    log[level]({ path: context.req.path, status, ...errorFields(error) }, 'request refused');
    if (context.req.path.startsWith('/blobs/'))
      metrics.blob(context.req.method === 'PUT' ? 'put' : 'get', 0, status);
    // The message of an unlisted error may reveal internals.
    const message = status === 500 ? 'internal error' : error.message;
    return context.json({ code: error.code, message }, status, {
      'x-floe-error': error.code,
      // Asking on costs a new connection, and those have a rate too.
      ...(error.code === 'rate_limited'
        ? {
            connection: 'close',
            'retry-after': String(error.details['retryAfterS'] ?? RETRY_AFTER_S),
          }
        : {}),
    });
  };

export interface HttpInit {
  /** Downloads come from here. */
  readonly store: BlobStore;
  /** Uploads go here. */
  readonly uploads: BlobStore;
  /** See `ServeOptions`. */
  readonly ownsUploads: boolean;
  readonly log: Logger;
  /** The web pages that may read from this server. */
  readonly origins: OriginPolicy;
  /** The network that the coordinator announces with the run. */
  readonly network: NetworkConfig | undefined;
}

export const createHttp = (coordinator: Coordinator, init: HttpInit): Hono<Env> => {
  const { store, uploads, log, network } = init;
  const { clock, limits, metrics } = coordinator;
  const requests = perMinute(limits.requestsPerMinute);
  const transcripts = perMinute(limits.transcriptsPerMinute);
  const blobs = createBlobRates({
    clock,
    limits,
    attempt: () => coordinator.status().attempt,
    cohortSize: coordinator.spec.cohort.size,
    loggedIn: () => coordinator.status().loggedIn,
    loggedInByAddress: () => coordinator.loggedInByAddress(),
  });
  const oneOfFew = createOneOfFew(limits.blobsAtOnce);
  const openTranscripts = createAnswers(limits.openTranscripts, limits, clock);
  const openBlobs = createAnswers(limits.openBlobs, limits, clock);
  const app = new Hono<Env>();

  /** @throws FloeError `rate_limited` */
  const checkRate = (rates: TokenBuckets, name: string, what: string, most: number): void => {
    if (!rates.take(name, clock.monotonic())) throw overRate(what, most);
  };

  app.onError(refusal(log, metrics));

  // The pages that may take part: an upload is admitted for its signature, everything else is
  // public within the network.
  const pages = cors({
    origin: (origin) => (init.origins.allows(origin) ? origin : null),
    allowMethods: ['GET', 'PUT'],
    allowHeaders: ['authorization', 'content-type', 'range'],
    exposeHeaders: ['x-floe-error', 'content-range'],
  });
  for (const path of ['/run', '/transcript', '/blobs/*']) app.use(path, pages);

  app.use('*', async (context, next) => {
    const address = addressOf(context);
    if (context.req.path.startsWith('/blobs/')) blobs.request(address);
    else checkRate(requests, address, 'requests of this address', limits.requestsPerMinute);
    await next();
  });

  app.get('/health', (context) => {
    const { modelHash: _modelHash, ...status } = coordinator.status();
    return context.json({ ok: status.running, ...status }, status.running ? 200 : 503);
  });

  app.get('/metrics', async (context) =>
    context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );

  const announcement = JSON.stringify({
    run: toHex(coordinator.run),
    coordinator: toHex(coordinator.publicKey),
    name: coordinator.spec.name,
    spec: base64url(coordinator.specBytes),
    ...(network === undefined ? {} : { network }),
  });
  app.get('/run', (context) =>
    context.body(announcement, 200, { 'content-type': 'application/json' }),
  );

  app.get('/transcript', async (context) => {
    const most = limits.transcriptsPerMinute;
    checkRate(transcripts, addressOf(context), 'requests for the transcript', most);
    const attempt = queryNumber(context, 'attempt');
    const from = queryNumber(context, 'from') ?? 0;
    const { transcript } = coordinator;
    const start = attempt === undefined ? from : await transcript.startOf(attempt);
    if (start === undefined) return context.body(null, 200, OCTETS);
    return context.body(
      openTranscripts.stream(transcriptPieces(coordinator, start), readerOf(context)),
      200,
      OCTETS,
    );
  });

  app.get('/blobs/:id', async (context) => {
    const id = context.req.param('id');
    const ref = await coordinator.blobRef(id);
    if (ref === undefined)
      throw new FloeError('blob_not_found', 'no record of this run names this blob');
    const range = rangeOf(context.req.header('range'), ref.size);
    const [start, end] = range ?? [0, ref.size];
    const pieces = await begun(blobPieces(store, ref, [start, end], context.req.raw.signal));
    const status = range === undefined ? 200 : 206;
    metrics.blob('get', end - start, status);
    return context.body(openBlobs.stream(pieces, readerOf(context)), status, {
      ...OCTETS,
      'content-length': `${end - start}`,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${ref.size}` }),
    });
  });

  app.put('/blobs/:id', async (context) => {
    const id = context.req.param('id');
    if (!BLOB_ID.test(id))
      throw new FloeError('frame_malformed', 'expected the SHA-256 of the blob as its id');
    const hash = fromHex(id);
    const size = declaredSize(context, coordinator.uploadLimit);
    const key = uploader(coordinator, context.req.header('authorization'), hash, size);
    blobs.upload(key, id);
    const bytes = await oneOfFew(key, () => readBody(context.req.raw, size));
    if (!equalBytes(sha256(bytes), hash))
      throw new FloeError('blob_corrupt', 'the bytes do not have the hash that was signed');
    const ref = await uploads.put(bytes, { signal: context.req.raw.signal, sha256: hash });
    if (init.ownsUploads) coordinator.received.note(hash, bytes.length);
    metrics.blob('put', bytes.length, 201);
    return context.json({ id: ref.id }, 201);
  });

  return app;
};
