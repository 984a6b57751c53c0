/**
 * @module The aggregator: reads blobs, and files of quilts, for clients of plain HTTP. The id of a
 * blob follows from its content, so a bounded cache keeps the blobs read, and concurrent readers of
 * one blob share one read, like behind the caches of public aggregators.
 */
import type { WalrusClient, WalrusFile } from '@mysten/walrus';
import type { HttpHandler, HttpReply, RunningServer } from '../http.ts';
import { Lru } from '../lru.ts';
import { joinRows } from './encoding.ts';
import { blobIdOfNumber, checkSliver, parseBlobId, shardOfPair, sourceSymbols } from './layout.ts';
import { parsePatchId, readPatch } from './quilt.ts';
import type { BlobRegistry } from './registry.ts';
import { answer, OPERATION_TIMEOUT_MS, refuse, routeMissing, withRetry } from './replies.ts';
import type { BlobVault } from './vault.ts';

/** Bytes of blobs that are kept. */
const CACHE_LIMIT = 16 * 1024 * 1024;
/**
 * Milliseconds within which the rows of a blob must come, before slivers are gathered from all
 * nodes.
 */
const ROWS_TIMEOUT_MS = 1_000;

export interface AggregatorOptions {
  readonly walrus: WalrusClient;
  readonly vault: BlobVault;
  readonly registry: BlobRegistry;
  /** The storage node's server that holds a shard. */
  readonly serverOf: (shard: number) => RunningServer | undefined;
  /** Bytes of blobs that are kept. Default 64 MiB. */
  readonly cacheLimit?: number;
}

/** As the public aggregator answers: what a blob id stands for never changes. */
const content = (body: Uint8Array, etag: string): HttpReply => ({
  status: 200,
  headers: {
    'content-type': 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'cache-control': 'public, max-age=86400, stale-while-revalidate=3600',
    etag,
  },
  body,
});

const noFile = (): HttpReply => refuse(404, 'NOT_FOUND', 'no such file in the quilt');

const fileOf = async (file: WalrusFile | undefined, etag: string): Promise<HttpReply> =>
  file ? content(await file.bytes(), etag) : noFile();

export class Aggregator {
  readonly #options: AggregatorOptions;
  readonly #limit: number;
  #blobs: Lru<Uint8Array>;
  #reading = new Map<string, Promise<Uint8Array>>();

  constructor(options: AggregatorOptions) {
    this.#options = options;
    this.#limit = options.cacheLimit ?? CACHE_LIMIT;
    this.#blobs = new Lru(this.#limit);
  }

  /** Forgets every blob: what is asked next is read from the nodes as they are now. */
  clear(): void {
    this.#blobs = new Lru(this.#limit);
    this.#reading = new Map();
  }

  /** Bytes of blobs in the cache. */
  get cachedBytes(): number {
    return this.#blobs.total;
  }

  readonly handle: HttpHandler = ({ method, url }) => {
    const [version, blobs, kind = '', id = '', name = ''] = url.pathname.slice(1).split('/');
    if (method !== 'GET' || version !== 'v1' || blobs !== 'blobs') return routeMissing();
    if (!kind.startsWith('by-') && !parseBlobId(kind))
      return refuse(400, 'INVALID_ARGUMENT', `expected a blob id, got ${kind}`);
    return answer(() => this.#reply(kind, id, decodeURIComponent(name)));
  };

  async #reply(kind: string, id: string, name: string): Promise<HttpReply> {
    const { walrus } = this.#options;
    switch (kind) {
      case 'by-object-id': {
        walrus.reset();
        const blobId = blobIdOfNumber((await walrus.getBlobObject(id)).blob_id);
        return content(await this.#blob(blobId), blobId);
      }
      case 'by-quilt-patch-id':
        return this.#patch(id);
      case 'by-quilt-id': {
        const quilt = await walrus.getBlob({ blobId: id });
        return fileOf((await quilt.files({ identifiers: [name] }))[0], `${id}/${name}`);
      }
      default:
        return content(await this.#blob(kind), kind);
    }
  }

  async #patch(id: string): Promise<HttpReply> {
    const patch = parsePatchId(id);
    if (!patch) return refuse(400, 'INVALID_ARGUMENT', `expected a quilt patch id, got ${id}`);
    const quilt = await this.#blob(patch.quilt);
    const file = readPatch(quilt, this.#options.vault.shards, patch);
    return file ? content(file, id) : noFile();
  }

  /**
   * A blob that is alive on the chain: from the cache, from a read under way, or from the nodes.
   */
  async #blob(blobId: string): Promise<Uint8Array> {
    const [blobs, reading] = [this.#blobs, this.#reading];
    const isAlive = this.#options.registry
      .entries(blobId)
      .some(({ certifiedEpoch }) => certifiedEpoch !== undefined);
    if (!isAlive) return this.#read(blobId);
    const known = blobs.get(blobId);
    if (known) return known;
    const running = reading.get(blobId) ?? this.#read(blobId);
    reading.set(blobId, running);
    try {
      const bytes = await running;
      blobs.set(blobId, bytes, bytes.length);
      return bytes;
    } finally {
      reading.delete(blobId);
    }
  }

  async #read(blobId: string): Promise<Uint8Array> {
    const { walrus } = this.#options;
    return (
      (await this.#readRows(blobId)) ??
      withRetry(walrus, () =>
        walrus.readBlob({ blobId, signal: AbortSignal.timeout(OPERATION_TIMEOUT_MS) }),
      )
    );
  }

  /**
   * The blob from the rows that the nodes hand out, when they spell the bytes that the encoder has
   * already shown to have this id: the same certainty as decoding and encoding again.
   */
  async #readRows(blobId: string): Promise<Uint8Array | undefined> {
    const { vault, serverOf } = this.#options;
    const id = parseBlobId(blobId);
    const proven = vault.provenSource(blobId);
    if (!id || !proven) return undefined;
    const signal = AbortSignal.timeout(ROWS_TIMEOUT_MS);
    const fetchRow = async (pair: number): Promise<Uint8Array | undefined> => {
      const reply = await serverOf(shardOfPair(pair, id, vault.shards))?.dispatch({
        method: 'GET',
        url: new URL(`http://127.0.0.1/v1/blobs/${blobId}/slivers/${pair}/primary`),
        headers: {},
        body: new Uint8Array(),
        signal,
      });
      if (reply?.status !== 200 || !(reply.body instanceof Uint8Array)) return undefined;
      checkSliver(reply.body, {
        axis: 'primary',
        pair,
        size: proven.length,
        shards: vault.shards,
      });
      return reply.body;
    };
    const rows = await Promise.allSettled(
      Array.from({ length: sourceSymbols(vault.shards).primary }, (_, pair) => fetchRow(pair)),
    );
    const found = joinRows(proven.length, vault.shards, (pair) => {
      const row = rows[pair];
      return row?.status === 'fulfilled' ? row.value : undefined;
    });
    return found && Buffer.compare(found, proven) === 0 ? proven : undefined;
  }
}
