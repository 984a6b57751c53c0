/**
 * @module The BlobStore on Walrus, through Mysten's SDK. Ids are Walrus's own: 43 characters for a blob, 50 for a blob in a
 * quilt, so that anyone can read them with any Walrus tool. Whatever a node, relay or aggregator says is held against the size
 * and hash of a signed record.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { WalrusClient } from '@mysten/walrus';
import { ownBytes, sha256, toHex } from '../../bytes.ts';
import { FloeError, toFloeError } from '../../errors.ts';
import { epochsOf, type NetworkConfig } from '../config.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import type { Sender } from '../sui/transactions.ts';
import {
  checkBlob,
  checkRange,
  type BlobOptions,
  type BlobRef,
  type PutOptions,
} from '../../ports/blob-store.ts';
import type { LastingStore } from '../../ports/upload-staging.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import { sizedCache } from '../../memo.ts';
import { serialQueue } from '../sui/queue.ts';
import { encodePatchId, parsePatchId, sourceSymbols, type QuiltPatch } from './quilt.ts';
import { uploadKey, type UploadJournal } from '../../ports/upload-journal.ts';
import { directCodec, threadCodec, type WalrusCodec } from './codec.ts';
import { createKeeping } from './keep.ts';
import { ATTEMPT_MS, createReading, notFound } from './read.ts';
import { createUploader, type Uploader, type UploadRequest } from './upload.ts';

export interface WalrusStoreInit {
  readonly network: NetworkConfig;
  readonly client: ClientWithCoreApi;
  readonly walrus: WalrusClient;
  /** Who pays for uploads; without one the store is for reading. */
  readonly sender?: Sender | undefined;
  readonly journal: UploadJournal;
  /** Epochs paid for. Default the network's, or 3. */
  readonly epochs?: number;
  /** Whether the owner may delete before the end. Default false. */
  readonly deletable?: boolean;
  /** Milliseconds for one upload's bytes. Default 120 s. */
  readonly uploadTimeoutMs?: number;
  /** Milliseconds for one read, all its attempts together. Default 60 s. */
  readonly readTimeoutMs?: number;
  /** How long a blob that nobody knows is asked for again: right after certification nodes may not know it yet. Default 5 s. */
  readonly missingMs?: number;
  readonly stragglerMs?: number;
  /** Bytes of blobs kept in memory, by content. Default 64 MiB; 0 keeps none. */
  readonly cacheBytes?: number;
  /** Blobs from this size on are coded in a worker thread. Default 256 KiB. */
  readonly threadBytes?: number;
  readonly fetch?: typeof globalThis.fetch;
  readonly warn?: (message: string) => void;
  readonly clock?: Clock | undefined;
}

/** `putTogether` stores blobs in as few quilts as hold them. */
export interface WalrusStore extends LastingStore {
  /** Finishes every upload that a crash interrupted. @returns how many */
  resume(): Promise<number>;
  close(): Promise<void>;
}

const BLOB_ID = /^[\w-]{43}$/;
const CACHE_BYTES = 64 << 20;
const THREAD_BYTES = 256 << 10;
/** The caller may give up waiting; the upload goes on, for it is paid for. */
const waited = async <Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> => {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void =>
    aborted.reject(new FloeError('aborted', 'The operation was cancelled.'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

/** As they lie in a quilt: each content once, by its hash. */
const quiltItems = (blobs: readonly Uint8Array[]) =>
  [...new Map(blobs.map((contents) => [toHex(sha256(contents)), contents]))].map(
    ([identifier, contents]) => ({ identifier, contents }),
  );

export const walrusStore = (init: WalrusStoreInit): WalrusStore => {
  const { network, client, walrus, sender, journal } = init;
  const { fetch = globalThis.fetch, warn = () => undefined, clock = systemClock } = init;
  const epochs = init.epochs ?? epochsOf(network);
  const deletable = init.deletable ?? false;
  const readTimeoutMs = init.readTimeoutMs ?? 60_000;
  const missingMs = init.missingMs ?? 5_000;
  const cache = sizedCache<Uint8Array>(init.cacheBytes ?? CACHE_BYTES);
  const quilts = sizedCache<Uint8Array>(init.cacheBytes ?? CACHE_BYTES);
  const direct = directCodec(walrus, clock);
  const thread = threadCodec(network);
  const threadBytes = init.threadBytes ?? THREAD_BYTES;
  const codec = (size: number): WalrusCodec =>
    thread !== undefined && size >= threadBytes ? thread : direct;
  const uploader =
    sender &&
    createUploader({
      walrus,
      client,
      sender,
      journal,
      codec,
      warn,
      clock,
      hasRelay: network.walrus.relayUrl !== undefined,
      uploadTimeoutMs: init.uploadTimeoutMs ?? 120_000,
      stragglerMs: init.stragglerMs ?? 1_000,
    });
  const uploading = new Map<string, Promise<string>>();
  /** Promised and not yet certified, by key. */
  const unsettled = new Map<string, UploadRequest>();
  const reading = new Map<string, Promise<Uint8Array>>();

  const shardsOf = async (signal?: AbortSignal): Promise<number> =>
    withRetry({ retries: 4, signal, clock }, async () => {
      try {
        return (await walrus.systemState()).committee.n_shards;
      } catch (thrown) {
        walrus.reset();
        throw toFloeError(thrown, 'store_unavailable');
      }
    });

  const payer = (): Uploader => {
    if (uploader !== undefined) return uploader;
    throw new FloeError('store_refused', 'this store has no key to pay with, it only reads');
  };

  const requestOf = (bytes: Uint8Array, quilt: boolean, hash?: Uint8Array): UploadRequest => ({
    key: uploadKey(bytes, quilt, hash),
    bytes: ownBytes(bytes),
    quilt,
    epochs,
    deletable,
  });

  /** One upload per content, whoever asks how often. @returns the Walrus blob id */
  const upload = (request: UploadRequest): Promise<string> => {
    const { key } = request;
    const running = uploading.get(key);
    if (running !== undefined) return running;
    const started = payer()
      .upload(request)
      .then(({ blobId }) => blobId)
      .finally(() => uploading.delete(key));
    uploading.set(key, started);
    return started;
  };

  /** An upload that nobody waits for until `settle`. @returns the Walrus blob id */
  const uploadLater = async (bytes: Uint8Array, quilt: boolean): Promise<string> => {
    const request = requestOf(bytes, quilt);
    const { blobId, step } = await payer().plan(request);
    if (step === 'certified') return blobId;
    unsettled.set(request.key, request);
    settleOne(request).catch((thrown: unknown) =>
      warn(`blob ${blobId} is not stored yet: ${(thrown as Error).message}`),
    );
    return blobId;
  };

  const settleOne = async (request: UploadRequest): Promise<void> => {
    await upload(request);
    unsettled.delete(request.key);
  };

  const read = createReading({
    network,
    codec,
    quilts,
    shardsOf,
    readTimeoutMs,
    missingMs,
    fetch,
    warn,
    clock,
  });

  const checkSize = async (size: number): Promise<void> => {
    const { rows, columns } = sourceSymbols(await shardsOf());
    const most = rows * columns * 65_534;
    if (size > most)
      throw new FloeError('blob_too_large', `expected at most ${most} bytes, got ${size}`);
  };

  /** Many who want the same blob at once share one read. */
  const readOnce = (ref: BlobRef, patch: QuiltPatch | undefined): Promise<Uint8Array> => {
    const key = `${ref.id}/${toHex(ref.sha256)}/${ref.size}`;
    const running = reading.get(key);
    if (running !== undefined) return running;
    const what = `reading blob ${ref.id}`;
    const timeoutMs = readTimeoutMs + ATTEMPT_MS;
    const started = bounded({ timeoutMs, clock, code: 'store_unavailable', what }, (signal) =>
      read(ref, patch, signal),
    )
      .then((bytes) => {
        cache.add(toHex(ref.sha256), bytes, bytes.length);
        return bytes;
      })
      .finally(() => reading.delete(key));
    reading.set(key, started);
    return started;
  };

  const put = async (
    bytes: Uint8Array,
    { signal, sha256: known }: PutOptions = {},
  ): Promise<BlobRef> => {
    signal?.throwIfAborted();
    await checkSize(bytes.length);
    const hash = known ?? sha256(bytes);
    const id = await waited(upload(requestOf(bytes, false, hash)), signal);
    cache.add(toHex(hash), ownBytes(bytes), bytes.length);
    return { id, sha256: hash, size: bytes.length };
  };

  /** Quilts hold a limited number of blobs, and whole columns of them: what does not fit is halved. */
  const quiltsOf = async (
    items: readonly { readonly identifier: string; readonly contents: Uint8Array }[],
  ): Promise<readonly (readonly [string, string])[]> => {
    let encoded: Awaited<ReturnType<WalrusCodec['quilt']>>;
    try {
      encoded = await codec(threadBytes).quilt(items);
    } catch (thrown) {
      const isFull = /too many blobs|oversize/iu.test((thrown as Error).message);
      if (!isFull || items.length < 2) throw toFloeError(thrown, 'store_unavailable');
      const half = Math.ceil(items.length / 2);
      const parts = await Promise.all([
        quiltsOf(items.slice(0, half)),
        quiltsOf(items.slice(half)),
      ]);
      return parts.flat();
    }
    const quilt = await uploadLater(encoded.bytes, true);
    quilts.add(quilt, encoded.bytes, encoded.bytes.length);
    return encoded.patches.map(({ identifier, start, end }) => [
      identifier,
      encodePatchId({ quilt, start, end }),
    ]);
  };

  /** Not the caller's own: the cache holds these very bytes. */
  const whole = async (ref: BlobRef, { signal }: BlobOptions = {}): Promise<Uint8Array> => {
    signal?.throwIfAborted();
    const patch = parsePatchId(ref.id);
    if (patch === undefined && !BLOB_ID.test(ref.id)) throw notFound(ref.id);
    const known = cache.get(toHex(ref.sha256));
    return known === undefined ? waited(readOnce(ref, patch), signal) : checkBlob(ref, known);
  };

  const keeping = createKeeping({
    walrus,
    journal,
    uploader: payer,
    store: (bytes, quilt) => upload(requestOf(bytes, quilt)),
    quiltOf: async (contents) => (await codec(threadBytes).quilt(quiltItems(contents))).bytes,
    epochs,
    warn,
    clock,
  });
  const sustaining = serialQueue();

  return {
    kind: 'walrus',
    put,
    get: async (ref, options) => ownBytes(await whole(ref, options)),
    // The SDK reads blobs whole: a blob is decoded from slivers that each hold a part of every range.
    getRange: async (ref, start, end, options) => {
      checkRange(ref, start, end);
      return (await whole(ref, options)).slice(start, end);
    },
    putTogether: async (blobs, { signal } = {}) => {
      signal?.throwIfAborted();
      const [only] = blobs;
      if (only === undefined) return [];
      if (blobs.length === 1) {
        await checkSize(only.length);
        const id = await uploadLater(only, false);
        return [{ id, sha256: sha256(only), size: only.length }];
      }
      const refs = blobs.map((bytes) => ({ sha256: sha256(bytes), size: bytes.length }));
      const ids = new Map(await waited(quiltsOf(quiltItems(blobs)), signal));
      return refs.map((ref) => ({ ...ref, id: ids.get(toHex(ref.sha256)) as string }));
    },
    settle: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      await waited(Promise.all([...unsettled.values()].map(settleOne)), signal);
    },
    sustain: async (blobs, { signal, copy = whole } = {}) => {
      signal?.throwIfAborted();
      const orWalrus = (ref: BlobRef): Promise<Uint8Array> => copy(ref).catch(() => whole(ref));
      // Two at once would pay twice.
      return waited(
        sustaining.run(() => keeping(blobs, orWalrus)),
        signal,
      );
    },
    resume: async () => {
      const pending = await journal.pending();
      for (const { key, state } of pending) {
        // One at a time: they may be large.
        // oxlint-disable-next-line no-await-in-loop
        const bytes = await journal.readBytes(key);
        if (bytes === undefined)
          throw new FloeError('journal_corrupt', `the bytes of blob ${state.blobId} are gone`);
        // oxlint-disable-next-line no-await-in-loop
        await upload(requestOf(bytes, state.quilt));
      }
      return pending.length;
    },
    close: async () => {
      await thread?.close();
    },
  };
};
