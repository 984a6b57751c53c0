/**
 * @module The coordinator's BlobStore where storage is dear: participants' uploads are put where waiting costs nothing (its own
 * disk, behind `/blobs`), are folded from there, and go to the lasting store together when the round ends. Models and bundles
 * go to the lasting store at once.
 */
import { toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { BlobOptions, BlobRef, BlobStore } from './blob-store.ts';

export interface RoundStoreInit {
  /** Where uploads wait; its ids are SHA-256 in hex. */
  readonly waiting: BlobStore;
  readonly lasting: BlobStore & {
    putTogether(blobs: readonly Uint8Array[], options?: BlobOptions): Promise<readonly BlobRef[]>;
  };
}

const WAITING = /^[0-9a-f]{64}$/;

export const roundStore = ({ waiting, lasting }: RoundStoreInit): BlobStore => ({
  kind: lasting.kind,
  put: (bytes, options) => lasting.put(bytes, options),
  get: (ref, options) => (WAITING.test(ref.id) ? waiting : lasting).get(ref, options),
  archive: async (refs, options) => {
    const blobs = await Promise.all(refs.map((ref) => waiting.get(ref, options)));
    return lasting.putTogether(blobs, options);
  },
});

/** A copy of everything that passes, by content, in a store whose ids are SHA-256 in hex; read first, and when `store` is gone. */
export const withLocalCopies = (store: BlobStore, copies: BlobStore): BlobStore => ({
  ...store,
  put: async (bytes, options) => {
    const [ref] = await Promise.all([store.put(bytes, options), copies.put(bytes, options)]);
    return ref;
  },
  get: async (ref, options) => {
    try {
      return await contentStore(copies).get(ref, options);
    } catch (thrown) {
      if (!(thrown instanceof FloeError) || thrown.code !== 'blob_not_found') throw thrown;
      return store.get(ref, options);
    }
  },
});

/** Reads blobs by their content, whatever a record calls them: for folders that hold copies of what lies elsewhere. */
export const contentStore = (copies: BlobStore): BlobStore => ({
  ...copies,
  get: (ref, options) => copies.get({ ...ref, id: contentId(ref) }, options),
});

const contentId = ({ sha256 }: BlobRef): string => toHex(sha256);
