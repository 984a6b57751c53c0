/**
 * @module Reading a blob from Walrus: from the aggregator where there is one, else from the storage
 * nodes, again and again within a time. Whatever they say is compared with the size and hash of a
 * signed record.
 */
import { FloeError, installationFault } from '../../errors.ts';
import { readSized } from '../../wire/body.ts';
import type { NetworkConfig } from '../config.ts';
import { deadline, sleep, type Clock } from '../../ports/clock.ts';
import { bounded } from '../sui/bounds.ts';
import { checkBlob, type BlobRef } from '../../ports/blob-store.ts';
import type { SizedCache } from '../../memo.ts';
import { readPatch, type QuiltPatch } from './quilt.ts';
import { sdkName, type WalrusCodec } from './codec.ts';

/** One attempt at the nodes: the SDK's reads may wait for ever. */
export const ATTEMPT_MS = 20_000;
/** Attempts that met a corrupt sliver: another choice of nodes may meet none. */
const CORRUPT_ATTEMPTS = 24;
const FIRST_PAUSE_MS = 150;
const LONGEST_PAUSE_MS = 2_000;
/** A record says how large a blob is, not the quilt that it lies in. */
const MAX_QUILT_BYTES = 2 ** 31;

/** What became of an attempt to read. */
type Failure = 'missing' | 'corrupt' | 'unavailable';

/**
 * By class of the SDK's error; a RangeError is a known defect of its metadata reads on small
 * committees.
 */
const FAILURES: Readonly<Record<string, Failure>> = {
  BlobNotCertifiedError: 'missing',
  NotFoundError: 'missing',
  InconsistentBlobError: 'corrupt',
};

export const notFound = (id: string, cause?: unknown): FloeError =>
  new FloeError('blob_not_found', `no blob ${id}`, { blob: id }, { cause });

const shareOf = (patch: QuiltPatch | undefined, ref: BlobRef): string =>
  patch === undefined ? `/v1/blobs/${ref.id}` : `/v1/blobs/by-quilt-patch-id/${ref.id}`;

const failureOf = (thrown: unknown): Failure => FAILURES[sdkName(thrown)] ?? 'unavailable';

export interface ReadingInit {
  readonly network: NetworkConfig;
  readonly codec: (size: number) => WalrusCodec;
  /** Whole quilts, by their id. */
  readonly quilts: SizedCache<Uint8Array>;
  readonly shardsOf: () => Promise<number>;
  /** Milliseconds for all attempts together, and for those at a blob that nobody knows. */
  readonly readTimeoutMs: number;
  readonly missingMs: number;
  readonly fetch: typeof globalThis.fetch;
  readonly warn: (message: string) => void;
  readonly clock: Clock;
}

export type Read = (
  ref: BlobRef,
  patch: QuiltPatch | undefined,
  signal: AbortSignal,
) => Promise<Uint8Array>;

export const createReading = (init: ReadingInit): Read => {
  const { network, codec, quilts, shardsOf, readTimeoutMs, missingMs, fetch, warn, clock } = init;

  const fromAggregator = async (path: string, size: number, signal: AbortSignal) => {
    const response = await fetch(new URL(path, network.walrus.aggregatorUrl), { signal });
    if (!response.ok) {
      await response.body?.cancel();
      return response.status === 404 ? 'missing' : 'unavailable';
    }
    const excess = (): FloeError => new FloeError('blob_corrupt', `more than ${size} bytes`);
    const bytes = await readSized(response.body, size, excess);
    return bytes.length === size ? bytes : 'corrupt';
  };

  /**
   * The aggregator is a convenience: what it cannot give, or gives wrongly, is read from the nodes.
   */
  const tryAggregator = async (
    ref: BlobRef,
    patch: QuiltPatch | undefined,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> => {
    if (network.walrus.aggregatorUrl === undefined) return undefined;
    try {
      const result = await fromAggregator(shareOf(patch, ref), ref.size, signal);
      if (result instanceof Uint8Array) return checkBlob(ref, result);
      if (result !== 'missing') warn(`the aggregator gave no good copy of ${ref.id} (${result})`);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      warn(`the aggregator failed on ${ref.id}: ${(thrown as Error).message}`);
    }
    return undefined;
  };

  const fromNodes = async (blobId: string, most: number, ms: number): Promise<Uint8Array> =>
    bounded(
      { timeoutMs: ms, clock, code: 'store_unavailable', what: `reading blob ${blobId}` },
      () => codec(most).read(blobId, most, ms),
    );

  const readNodes = async (
    ref: BlobRef,
    patch: QuiltPatch | undefined,
    ms: number,
  ): Promise<Uint8Array> => {
    if (patch === undefined) return fromNodes(ref.id, ref.size, ms);
    const known = quilts.get(patch.quilt);
    // A quilt is larger than its parts: read where it disturbs nobody.
    const whole = known ?? (await fromNodes(patch.quilt, MAX_QUILT_BYTES, ms));
    quilts.add(patch.quilt, whole, whole.length);
    return readPatch(whole, await shardsOf(), patch);
  };

  return async (ref, patch, outer) => {
    const started = clock.monotonic();
    const elapsed = (): number => clock.monotonic() - started;
    let corrupt = 0;
    for (let pause = FIRST_PAUSE_MS; ;) {
      // Attempts follow each other.
      const attempt = deadline(clock, ATTEMPT_MS, outer);
      const easy = await tryAggregator(ref, patch, attempt.signal)
        .catch((thrown: unknown) => {
          if (outer.aborted) throw thrown;
          return undefined;
        })
        .finally(attempt.release);
      if (easy !== undefined) return easy;
      try {
        return checkBlob(ref, await readNodes(ref, patch, ATTEMPT_MS));
      } catch (thrown) {
        // The nodes' bytes have the blob's id and yet not the record's hash: it is the record that
        // is wrong.
        if (thrown instanceof FloeError && !thrown.retryable) throw thrown;
        const broken = installationFault(thrown);
        if (broken !== undefined) throw broken;
        outer.throwIfAborted();
        const failure = failureOf(thrown);
        const message = `${ref.id}: ${(thrown as Error).message}`;
        if (failure === 'missing' && elapsed() > missingMs) throw notFound(ref.id, thrown);
        corrupt += failure === 'corrupt' ? 1 : 0;
        if (corrupt >= CORRUPT_ATTEMPTS)
          throw new FloeError('blob_corrupt', message, { blob: ref.id }, { cause: thrown });
        if (elapsed() > readTimeoutMs)
          throw new FloeError('store_unavailable', message, { blob: ref.id }, { cause: thrown });
        if (failure === 'corrupt') continue;
        codec(ref.size).reset();
        await sleep(clock, pause);
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
      }
    }
  };
};
