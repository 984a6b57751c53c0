/**
 * @module The BlobStore on Walrus, through Mysten's SDK. Ids are Walrus's own: 43 characters for a
 * blob, 50 for a blob in a quilt, so that anyone can read them with any Walrus tool. Whatever a
 * node, relay or aggregator says is compared with the size and hash of a signed record.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { WalrusClient } from '@mysten/walrus';
import { ownBytes, sha256, toHex } from '../../bytes.ts';
import { FloeError, toFloeError } from '../../errors.ts';
import { sizedCache, type SizedCache } from '../../memo.ts';
import { checkRange, type BlobRef } from '../../ports/blob-store.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import type { UploadJournal } from '../../ports/upload-journal.ts';
import type { LastingStore } from '../../ports/upload-staging.ts';
import { epochsOf, type NetworkConfig } from '../config.ts';
import { withRetry } from '../sui/bounds.ts';
import { serialQueue } from '../../queue.ts';
import type { Sender } from '../sui/transactions.ts';
import { createBatches } from './batches.ts';
import { directCodec, threadCodec, type WalrusCodec } from './codec.ts';
import { uploadCodec } from './encode-once.ts';
import { createKeeping } from './keep.ts';
import { sourceSymbols } from './quilt.ts';
import { createReading } from './read.ts';
import { createSharedReads } from './shared-reads.ts';
import { createUploader } from './upload.ts';
import { createUploads, waited, type Uploads } from './uploads.ts';

export interface WalrusStoreInit {
  readonly network: NetworkConfig;
  readonly client: ClientWithCoreApi;
  readonly walrus: WalrusClient;
  /** The account that pays for uploads; without one the store is read-only. */
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
  /**
   * How long a blob that nobody knows is asked for again: right after certification nodes may not
   * know it yet. Default 5 s.
   */
  readonly missingMs?: number;
  readonly stragglerMs?: number;
  /**
   * Bytes of blobs kept in memory, by content; a larger blob of up to 64 MiB is kept alone. Default
   * 8 MiB; 0 keeps none.
   */
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

/** Several models or the uploads of a round. A run has new ones in each round. */
const CACHE_BYTES = 8 << 20;
/** Members in one process read the same model. */
const LARGE_BYTES = 64 << 20;
/** The uploads of a commit are in one quilt, or in as few as hold them. */
const CACHED_QUILTS = 2;
const THREAD_BYTES = 256 << 10;
/** Of one symbol of Walrus's encoding. */
const MAX_SYMBOL_BYTES = 65_534;

/** How many shards the network has. @throws FloeError `store_unavailable` */
const shardReader = (walrus: WalrusClient, clock: Clock) => (): Promise<number> =>
  withRetry({ retries: 4, clock }, async () => {
    try {
      return (await walrus.systemState()).committee.n_shards;
    } catch (thrown) {
      walrus.reset();
      throw toFloeError(thrown, 'store_unavailable');
    }
  });

/** Refuses what no blob of the network can hold. */
const sizeCheck =
  (shardsOf: () => Promise<number>) =>
  async (size: number): Promise<void> => {
    const { rows, columns } = sourceSymbols(await shardsOf());
    const most = rows * columns * MAX_SYMBOL_BYTES;
    if (size > most)
      throw new FloeError('blob_too_large', `expected at most ${most} bytes, got ${size}`);
  };

/** Blobs by their content, or quilts by their id. @param most how many */
const blobCache = ({ cacheBytes }: WalrusStoreInit, most?: number): SizedCache<Uint8Array> =>
  cacheBytes === 0
    ? sizedCache(0)
    : sizedCache(cacheBytes ?? CACHE_BYTES, most, Math.max(LARGE_BYTES, cacheBytes ?? 0));

/** What the parts of a store share: its codecs, and the defaults of its settings. */
const settingsOf = (init: WalrusStoreInit) => {
  const { network, walrus, clock = systemClock } = init;
  const direct = uploadCodec(network, directCodec(walrus, clock));
  const thread = threadCodec(network);
  const threadBytes = init.threadBytes ?? THREAD_BYTES;
  return {
    network,
    clock,
    fetch: init.fetch ?? globalThis.fetch,
    warn: init.warn ?? (() => undefined),
    readTimeoutMs: init.readTimeoutMs ?? 60_000,
    missingMs: init.missingMs ?? 5_000,
    shardsOf: shardReader(walrus, clock),
    cache: blobCache(init),
    quilts: blobCache(init, CACHED_QUILTS),
    codec: (size: number): WalrusCodec =>
      thread !== undefined && size >= threadBytes ? thread : direct,
    /** For what is large whatever its size is, such as a quilt. */
    largeCodec: thread ?? direct,
    close: async () => thread?.close(),
  };
};

type Settings = ReturnType<typeof settingsOf>;

const uploadsOf = (init: WalrusStoreInit, { codec, warn, clock }: Settings): Uploads => {
  const { network, client, walrus, sender, journal } = init;
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
  const epochs = init.epochs ?? epochsOf(network);
  return createUploads({ uploader, journal, epochs, deletable: init.deletable ?? false, warn });
};

export const walrusStore = (init: WalrusStoreInit): WalrusStore => {
  const { network, walrus, journal } = init;
  const settings = settingsOf(init);
  const { clock, warn } = settings;
  const uploads = uploadsOf(init, settings);
  const { cache } = settings;
  const whole = createSharedReads({ ...settings, read: createReading(settings) });
  const checkSize = sizeCheck(settings.shardsOf);
  const batches = createBatches({
    codec: settings.largeCodec,
    quilts: settings.quilts,
    later: (...upload) => uploads.later(...upload),
    checkSize,
  });
  const keeping = createKeeping({
    walrus,
    journal,
    uploader: () => uploads.payer(),
    store: (bytes, quilt) => uploads.now(bytes, quilt),
    quiltOf: (contents) => batches.quiltOf(contents),
    epochs: init.epochs ?? epochsOf(network),
    warn,
    clock,
  });
  const sustaining = serialQueue();

  return {
    kind: 'walrus',
    put: async (bytes, { signal, sha256: known } = {}) => {
      signal?.throwIfAborted();
      await checkSize(bytes.length);
      const hash = known ?? sha256(bytes);
      const id = await waited(uploads.now(bytes, false, hash), signal);
      cache.add(toHex(hash), ownBytes(bytes), bytes.length);
      return { id, sha256: hash, size: bytes.length };
    },
    get: async (ref, options) => ownBytes(await whole(ref, options)),
    // The SDK reads blobs whole: a blob is decoded from slivers that each hold a part of every
    // range.
    getRange: async (ref, start, end, options) => {
      checkRange(ref, start, end);
      return (await whole(ref, options)).slice(start, end);
    },
    putTogether: async (blobs, { signal } = {}) => {
      signal?.throwIfAborted();
      return waited(batches.put(blobs), signal);
    },
    settle: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      await waited(uploads.settle(), signal);
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
    resume: () => uploads.resume(),
    close: () => settings.close(),
  };
};
