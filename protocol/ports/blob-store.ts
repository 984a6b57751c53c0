/**
 * @module The BlobStore port: where masked updates, unmasking bundles and encrypted models meet. Everything in a store is
 * ciphertext or masked; a store is public and may lie, so every reader checks size and SHA-256 against a signed record.
 */
import { sha256, equalBytes } from '../bytes.ts';
import { FloeError } from '../errors.ts';

/** What a signed record says of a blob. */
export interface BlobRef {
  /** The store's own name of the blob. */
  readonly id: string;
  readonly sha256: Uint8Array;
  /** Bytes. */
  readonly size: number;
}

export interface BlobOptions {
  readonly signal?: AbortSignal;
}

/** Until when blobs are kept, where storage is paid for by the epoch. */
export interface Lease {
  /** The present epoch. */
  readonly epoch: number;
  /** The first epoch in which one of the blobs is kept no more. */
  readonly endEpoch: number;
  /** When that one begins, as epochs are planned; milliseconds since 1970. */
  readonly endsAt: number;
  /** How many were paid for longer, and how many had run out and were stored again. */
  readonly extended: number;
  readonly restored: number;
}

export interface SustainOptions extends BlobOptions {
  /** Bytes of a blob from a copy that does not run out. @throws FloeError `blob_not_found` */
  readonly copy?: (ref: BlobRef) => Promise<Uint8Array>;
}

export interface BlobStore {
  /** `directory`, `http`, `walrus`...: named in the first lines of output. */
  readonly kind: string;
  /**
   * Stores `bytes`; once it resolves, the blob is durable and readable by anyone who knows the id. Idempotent.
   * @throws FloeError `blob_too_large`, `store_refused`, `store_unavailable`
   */
  put(bytes: Uint8Array, options?: BlobOptions): Promise<BlobRef>;
  /**
   * Reads a blob whole. Size and hash are checked.
   * @throws FloeError `blob_not_found`, `blob_corrupt`, `store_unavailable`
   */
  get(ref: BlobRef, options?: BlobOptions): Promise<Uint8Array>;
  /**
   * Reads bytes [start, end) of a blob. They are NOT checked against its hash, which covers the whole: the caller holds them
   * against the hash of a leaf (encoding/leaves.ts), and reads the blob whole before it concludes
   * anything from a mismatch.
   * @param start 0 <= start <= end <= ref.size
   * @throws FloeError `blob_not_found`, `store_unavailable`; `blob_corrupt` when fewer or more bytes come
   */
  getRange(ref: BlobRef, start: number, end: number, options?: BlobOptions): Promise<Uint8Array>;
  /**
   * Where blobs of a round first wait and then go to their lasting place together, because each costs much by itself: starts
   * to take them there, blobs that waited by their reference and new ones by their bytes, and returns the lasting references,
   * in order. The move itself goes on in the background and survives a crash. Idempotent. A store without it keeps blobs
   * where they are.
   * @throws FloeError as `get` and `put`
   */
  archive?(
    blobs: readonly (BlobRef | Uint8Array)[],
    options?: BlobOptions,
  ): Promise<readonly BlobRef[]>;
  /**
   * Resolves once everything archived is durable and readable; what failed is tried again.
   * @throws FloeError `store_refused`, `store_unavailable`
   */
  settle?(options?: BlobOptions): Promise<void>;
  /**
   * Where storage is paid for by the epoch: sees to it that these blobs are kept in the next epoch too. What runs out with the
   * present one is paid for longer; what has run out is stored again, under the same id. What was archived together is named
   * together, in the same order. What cannot be paid for longer now, and has not run out, is no error: `warn` is told.
   * @throws FloeError `blob_expired` when one has run out and there is no copy; `store_unavailable`, `transaction_failed`
   */
  sustain?(blobs: readonly BlobRef[], options?: SustainOptions): Promise<Lease>;
  /**
   * Forgets blobs where they wait, or for good in a store that keeps them where they are; one that is gone is no error. A store
   * without it forgets nothing. The caller names only blobs that no committed round rests on.
   * @throws FloeError `storage_read_only`, `store_unavailable`
   */
  discard?(blobs: readonly BlobRef[]): Promise<void>;
}

/** The check every implementation begins `getRange` with. @throws FloeError `internal`: the caller's fault */
export const checkRange = ({ size }: BlobRef, start: number, end: number): void => {
  const fits = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (!fits || start < 0 || end < start || end > size)
    throw new FloeError('internal', `expected a range within ${size} bytes, got ${start}-${end}`);
};

/** The check every implementation ends `getRange` with: the store may hold another blob under this id. */
export const checkRangeLength = (
  ref: BlobRef,
  start: number,
  end: number,
  bytes: Uint8Array,
): Uint8Array => {
  if (bytes.length !== end - start)
    throw new FloeError('blob_corrupt', `expected ${end - start} bytes, got ${bytes.length}`, {
      blob: ref.id,
    });
  return bytes;
};

/** The check every implementation ends `get` with. */
export const checkBlob = (ref: BlobRef, bytes: Uint8Array): Uint8Array => {
  if (bytes.length !== ref.size)
    throw new FloeError('blob_corrupt', `expected ${ref.size} bytes, got ${bytes.length}`, {
      blob: ref.id,
    });
  if (!equalBytes(sha256(bytes), ref.sha256))
    throw new FloeError('blob_corrupt', 'the bytes do not match the SHA-256 of the record', {
      blob: ref.id,
    });
  return bytes;
};
