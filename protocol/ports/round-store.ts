/**
 * @module The coordinator's BlobStore where storage is dear: participants' uploads are put where waiting costs nothing (its own
 * disk, behind `/blobs`), are folded from there, and go to the lasting store together with the round's bundle when it ends.
 * Models go to the lasting store at once, for the next round waits for them.
 */
import { toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { BlobOptions, BlobRef, BlobStore } from './blob-store.ts';

export interface RoundStoreInit {
  /** Where uploads wait; its ids are SHA-256 in hex. */
  readonly waiting: BlobStore;
  readonly lasting: BlobStore & {
    putTogether(blobs: readonly Uint8Array[], options?: BlobOptions): Promise<readonly BlobRef[]>;
    settle(options?: BlobOptions): Promise<void>;
  };
}

const WAITING = /^[0-9a-f]{64}$/;

export const roundStore = ({ waiting, lasting }: RoundStoreInit): BlobStore => ({
  kind: lasting.kind,
  put: (bytes, options) => lasting.put(bytes, options),
  get: (ref, options) => (WAITING.test(ref.id) ? waiting : lasting).get(ref, options),
  getRange: (ref, ...rest) => (WAITING.test(ref.id) ? waiting : lasting).getRange(ref, ...rest),
  archive: async (blobs, options) => {
    // One archive on its way at a time: memory stays bounded, and a store that is down is noticed.
    await lasting.settle(options);
    const all = await Promise.all(
      blobs.map(async (blob) => {
        if (!(blob instanceof Uint8Array)) return waiting.get(blob, options);
        // It waits there too: the next cohort reads it before it is where it lasts.
        await waiting.put(blob, options);
        return blob;
      }),
    );
    return lasting.putTogether(all, options);
  },
  settle: (options) => lasting.settle(options),
  ...(lasting.sustain === undefined
    ? {}
    : { sustain: (blobs, options) => (lasting as Required<BlobStore>).sustain(blobs, options) }),
  discard: async (blobs) => waiting.discard?.(blobs),
});

/** A copy of everything that passes, by content, in a store whose ids are SHA-256 in hex; read first, and when `store` is gone. */
export const withLocalCopies = (store: BlobStore, copies: BlobStore): BlobStore => ({
  ...store,
  put: async (bytes, options) => {
    const [ref] = await Promise.all([store.put(bytes, options), copies.put(bytes, options)]);
    return ref;
  },
  ...(store.archive === undefined
    ? {}
    : {
        archive: async (blobs, options) => {
          const fresh = blobs.filter((blob) => blob instanceof Uint8Array);
          await Promise.all(fresh.map((bytes) => copies.put(bytes, options)));
          return (await store.archive?.(blobs, options)) ?? [];
        },
      }),
  ...(store.sustain === undefined
    ? {}
    : {
        sustain: (blobs, options) =>
          (store as Required<BlobStore>).sustain(blobs, {
            ...options,
            copy: (ref) => contentStore(copies).get(ref),
          }),
      }),
  // What waits is a copy of itself: the store that it waits in forgets it.
  ...(store.discard === undefined ? {} : { discard: async (blobs) => store.discard?.(blobs) }),
  get: async (ref, options) => {
    try {
      return await contentStore(copies).get(ref, options);
    } catch (thrown) {
      if (!(thrown instanceof FloeError) || thrown.code !== 'blob_not_found') throw thrown;
      return store.get(ref, options);
    }
  },
  getRange: async (ref, ...rest) => {
    try {
      return await contentStore(copies).getRange(ref, ...rest);
    } catch (thrown) {
      if (!(thrown instanceof FloeError) || thrown.code !== 'blob_not_found') throw thrown;
      return store.getRange(ref, ...rest);
    }
  },
});

/** Reads blobs by their content, whatever a record calls them: for folders that hold copies of what lies elsewhere. */
const contentStore = (copies: BlobStore): BlobStore => ({
  ...copies,
  get: (ref, options) => copies.get({ ...ref, id: contentId(ref) }, options),
  getRange: (ref, ...rest) => copies.getRange({ ...ref, id: contentId(ref) }, ...rest),
});

const contentId = ({ sha256 }: BlobRef): string => toHex(sha256);
