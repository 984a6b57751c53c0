/**
 * @module The BlobStore port: where masked updates, unmasking bundles and encrypted models meet.
 * Everything in a store is ciphertext or masked. A store is public and may lie, so every reader
 * checks size and SHA-256 against a signed record. What only some stores do is in
 * upload-staging.ts.
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

export interface PutOptions extends BlobOptions {
  /**
   * SHA-256 of the bytes, where the caller has computed or checked it: they are not hashed again.
   */
  readonly sha256?: Uint8Array;
}

export interface BlobStore {
  /** `directory`, `http`, `walrus`...: named in the first lines of output. */
  readonly kind: string;
  /**
   * Stores `bytes`; once it resolves, the blob is durable and readable by anyone who knows the id.
   * Idempotent.
   * @throws FloeError `blob_too_large`, `store_refused`, `store_unavailable`
   */
  put(bytes: Uint8Array, options?: PutOptions): Promise<BlobRef>;
  /**
   * Reads a blob whole. Size and hash are checked.
   * @throws FloeError `blob_not_found`, `blob_corrupt`, `store_unavailable`
   */
  get(ref: BlobRef, options?: BlobOptions): Promise<Uint8Array>;
  /**
   * Reads bytes [start, end) of a blob. They are NOT checked against its hash, which covers the
   * whole: the caller compares them with the hash of a leaf (encoding/leaves.ts), and reads the
   * blob whole before it concludes anything from a mismatch.
   * @param start 0 <= start <= end <= ref.size
   * @throws FloeError `blob_not_found`, `store_unavailable`; `blob_corrupt` when fewer or more
   * bytes come
   */
  getRange(ref: BlobRef, start: number, end: number, options?: BlobOptions): Promise<Uint8Array>;
}

/**
 * The check every implementation begins `getRange` with. @throws FloeError `internal`: the caller's
 * fault
 */
export const checkRange = ({ size }: BlobRef, start: number, end: number): void => {
  const fits = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (!fits || start < 0 || end < start || end > size)
    throw new FloeError('internal', `expected a range within ${size} bytes, got ${start}-${end}`);
};

/**
 * The check every implementation ends `getRange` with: the store may hold another blob under this
 * id.
 */
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
