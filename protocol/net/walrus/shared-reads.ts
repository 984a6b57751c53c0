/**
 * @module Reads that are shared: many who want the same blob at once wait for one read, and what
 * was read is kept in memory by its content.
 */
import { toHex } from '../../bytes.ts';
import type { SizedCache } from '../../memo.ts';
import { checkBlob, type BlobOptions, type BlobRef } from '../../ports/blob-store.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded } from '../sui/bounds.ts';
import { parsePatchId, type QuiltPatch } from './quilt.ts';
import { ATTEMPT_MS, notFound, type Read } from './read.ts';
import { waited } from './uploads.ts';

export interface SharedReadsInit {
  readonly read: Read;
  /** By the hash of the content, in hex. */
  readonly cache: SizedCache<Uint8Array>;
  /** Milliseconds for one read, all its attempts together. */
  readonly readTimeoutMs: number;
  readonly clock: Clock;
}

/** Reads a blob whole. The bytes are those of the cache: not the caller's own. */
export type ReadWhole = (ref: BlobRef, options?: BlobOptions) => Promise<Uint8Array>;

const BLOB_ID = /^[\w-]{43}$/;

export const createSharedReads = (init: SharedReadsInit): ReadWhole => {
  const { read, cache, clock } = init;
  const reading = new Map<string, Promise<Uint8Array>>();

  const readOnce = (ref: BlobRef, patch: QuiltPatch | undefined): Promise<Uint8Array> => {
    const key = `${ref.id}/${toHex(ref.sha256)}/${ref.size}`;
    const running = reading.get(key);
    if (running !== undefined) return running;
    const what = `reading blob ${ref.id}`;
    const timeoutMs = init.readTimeoutMs + ATTEMPT_MS;
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

  return async (ref, { signal } = {}) => {
    signal?.throwIfAborted();
    const patch = parsePatchId(ref.id);
    if (patch === undefined && !BLOB_ID.test(ref.id)) throw notFound(ref.id);
    const known = cache.get(toHex(ref.sha256));
    return known === undefined ? waited(readOnce(ref, patch), signal) : checkBlob(ref, known);
  };
};
