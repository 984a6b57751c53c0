/**
 * @module Operations of only some stores, as interfaces next to BlobStore. Where each stored blob
 * has a fixed cost, uploads are staged: they wait where waiting costs nothing and move to their
 * lasting place together. Where storage is paid by the epoch, leases are extended.
 * Some stores can remove.
 */
import type { BlobOptions, BlobRef, BlobStore } from './blob-store.ts';

/** Until when blobs are kept, where storage is paid by the epoch. */
export interface Lease {
  /** The present epoch. */
  readonly epoch: number;
  /** The first epoch in which at least one of the blobs is no longer kept. */
  readonly endEpoch: number;
  /** Planned start of `endEpoch`, milliseconds since 1970. */
  readonly endsAt: number;
  /** How many blobs were extended. */
  readonly extended: number;
  /** How many blobs had expired and were stored again. */
  readonly restored: number;
}

export interface SustainOptions extends BlobOptions {
  /** Bytes of a blob from a copy that does not expire. @throws FloeError `blob_not_found` */
  readonly copy?: (ref: BlobRef) => Promise<Uint8Array>;
}

/** Keeps blobs beyond the epochs that were paid first. */
export interface BlobLeases {
  /**
   * Keeps these blobs in the next epoch too. A blob that expires with the present epoch is
   * extended; an expired one is stored again under the same id. Blobs that were archived together
   * are named together, in the same order. An extension that fails while the blob is still kept is
   * only warned of.
   * @throws FloeError `blob_expired` when one has expired and there is no copy;
   * `store_unavailable`, `transaction_failed`
   */
  sustain(blobs: readonly BlobRef[], options?: SustainOptions): Promise<Lease>;
}

/**
 * Stores blobs in groups, in the background: what a lasting store offers to {@link UploadStaging}.
 */
export interface BlobBatches {
  /**
   * Starts to store blobs together. Each has its own id. From here on a crash does not lose them.
   * @returns their references, in order; `settle` waits until they are readable
   * @throws FloeError `blob_too_large`, `store_refused`, `store_unavailable`
   */
  putTogether(blobs: readonly Uint8Array[], options?: BlobOptions): Promise<readonly BlobRef[]>;
  /**
   * Resolves once everything that was started is durable and readable. A failed upload is repeated.
   * @throws FloeError `store_refused`, `store_unavailable`
   */
  settle(options?: BlobOptions): Promise<void>;
}

/** The staging of a round's uploads: they wait, are folded, then move to their lasting place. */
export interface UploadStaging extends BlobLeases {
  /**
   * Starts to move blobs to their lasting place: waiting blobs by their reference, new ones by
   * their bytes. The move runs in the background and survives a crash. Idempotent.
   * @returns the lasting references, in order
   * @throws FloeError as `get` and `put` of the store
   */
  archive(
    blobs: readonly (BlobRef | Uint8Array)[],
    options?: BlobOptions,
  ): Promise<readonly BlobRef[]>;
  /** As `settle` of {@link BlobBatches}. */
  settle(options?: BlobOptions): Promise<void>;
}

/** Removes blobs. */
export interface BlobRemoval {
  /**
   * Removes blobs; a missing one is no error. The caller names only blobs that no committed round
   * needs.
   * @throws FloeError `storage_read_only`, `store_unavailable`
   */
  discard(blobs: readonly BlobRef[]): Promise<void>;
}

/** A store in which single blobs are dear: batches are cheaper, and everything expires. */
export type LastingStore = BlobStore & BlobBatches & BlobLeases;

/** A coordinator's store with all of its parts. */
export type StagedStore = BlobStore & UploadStaging & BlobRemoval;
