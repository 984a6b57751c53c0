/**
 * @module Blobs that are stored together: in as few quilts as hold them, each content once.
 */
import { sha256, toHex } from '../../bytes.ts';
import { toFloeError } from '../../errors.ts';
import type { SizedCache } from '../../memo.ts';
import type { BlobRef } from '../../ports/blob-store.ts';
import type { QuiltItem, WalrusCodec } from './codec.ts';
import { encodePatchId } from './quilt.ts';

export interface BatchesInit {
  readonly codec: WalrusCodec;
  /** Whole quilts, by their id. */
  readonly quilts: SizedCache<Uint8Array>;
  /** Promises an upload. @returns the Walrus blob id */
  readonly later: (bytes: Uint8Array, quilt: boolean, hash?: Uint8Array) => Promise<string>;
  /** @throws FloeError `blob_too_large` */
  readonly checkSize: (size: number) => Promise<void>;
}

export interface Batches {
  /** Promises the upload of all of them. @returns their references, in order */
  put(blobs: readonly Uint8Array[]): Promise<readonly BlobRef[]>;
  /** The bytes of the quilt of these contents, in this order. */
  quiltOf(contents: readonly Uint8Array[]): Promise<Uint8Array>;
}

/** Each content once, by its hash. */
const quiltItems = (
  blobs: readonly { readonly contents: Uint8Array; readonly hash: Uint8Array }[],
): QuiltItem[] =>
  [...new Map(blobs.map(({ contents, hash }) => [toHex(hash), contents]))].map(
    ([identifier, contents]) => ({ identifier, contents }),
  );

const hashed = (contents: Uint8Array) => ({ contents, hash: sha256(contents) });

export const createBatches = ({ codec, quilts, later, checkSize }: BatchesInit): Batches => {
  /**
   * A quilt holds a limited number of blobs, and whole columns of them: what does not fit is
   * halved.
   */
  const quiltsOf = async (
    items: readonly QuiltItem[],
  ): Promise<readonly (readonly [identifier: string, id: string])[]> => {
    let encoded: Awaited<ReturnType<WalrusCodec['quilt']>>;
    try {
      encoded = await codec.quilt(items);
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
    const quilt = await later(encoded.bytes, true);
    quilts.add(quilt, encoded.bytes, encoded.bytes.length);
    return encoded.patches.map(({ identifier, start, end }) => [
      identifier,
      encodePatchId({ quilt, start, end }),
    ]);
  };

  return {
    put: async (blobs) => {
      const all = blobs.map(hashed);
      const [only] = all;
      if (only === undefined) return [];
      const refOf = ({ contents, hash }: (typeof all)[number], id: string): BlobRef => ({
        id,
        sha256: hash,
        size: contents.length,
      });
      if (all.length === 1) {
        await checkSize(only.contents.length);
        return [refOf(only, await later(only.contents, false, only.hash))];
      }
      const ids = new Map(await quiltsOf(quiltItems(all)));
      return all.map((blob) => refOf(blob, ids.get(toHex(blob.hash)) as string));
    },
    quiltOf: async (contents) => (await codec.quilt(quiltItems(contents.map(hashed)))).bytes,
  };
};
