/**
 * @module The coordinator's BlobStore where storage is dear. Participants' uploads wait on its own
 * disk (behind `/blobs`), are folded from there, and move to the lasting store together with the
 * bundle when the round ends. Models go to the lasting store at once: the next round waits for
 * them.
 */
import { sha256, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { BlobRef, BlobStore } from './blob-store.ts';
import type { BlobRemoval, LastingStore, StagedStore } from './upload-staging.ts';

const WAITING = /^[0-9a-f]{64}$/;

/**
 * Reads each blob from where it is; puts into the lasting store.
 * @param waiting where uploads wait; its ids are SHA-256 in hex
 */
export const splitStore = ({
  waiting,
  lasting,
}: {
  readonly waiting: BlobStore;
  readonly lasting: BlobStore;
}): BlobStore => ({
  kind: lasting.kind,
  put: (bytes, options) => lasting.put(bytes, options),
  get: (ref, options) => (WAITING.test(ref.id) ? waiting : lasting).get(ref, options),
  getRange: (ref, ...rest) => (WAITING.test(ref.id) ? waiting : lasting).getRange(ref, ...rest),
});

export interface RoundStoreInit {
  /** Where uploads wait; its ids are SHA-256 in hex. */
  readonly waiting: BlobStore & BlobRemoval;
  readonly lasting: LastingStore;
}

export const roundStore = ({ waiting, lasting }: RoundStoreInit): StagedStore => ({
  ...splitStore({ waiting, lasting }),
  archive: async (blobs, options) => {
    // One archive at a time: memory stays bounded, and a store that is down is noticed.
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
  sustain: (blobs, options) => lasting.sustain(blobs, options),
  discard: (blobs) => waiting.discard(blobs),
});

/** Reads blobs by their content, whatever id a record gives them: for folders of copies. */
const contentStore = (copies: BlobStore): BlobStore => ({
  ...copies,
  get: (ref, options) => copies.get({ ...ref, id: contentId(ref) }, options),
  getRange: (ref, ...rest) => copies.getRange({ ...ref, id: contentId(ref) }, ...rest),
});

const contentId = (ref: BlobRef): string => toHex(ref.sha256);

/** Runs `first`, and `second` where there is no such blob. */
const orElse = async <Result>(
  first: () => Promise<Result>,
  second: () => Promise<Result>,
): Promise<Result> => {
  try {
    return await first();
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || thrown.code !== 'blob_not_found') throw thrown;
    return second();
  }
};

/**
 * Keeps a copy of everything that is put, by content, in a store whose ids are SHA-256 in hex. The
 * copy is read first, and still there when `store` has lost the blob.
 */
export const withLocalCopies = (store: BlobStore, copies: BlobStore): BlobStore => {
  const local = contentStore(copies);
  return {
    kind: store.kind,
    put: async (bytes, options) => {
      const known = { ...options, sha256: options?.sha256 ?? sha256(bytes) };
      const [ref] = await Promise.all([store.put(bytes, known), copies.put(bytes, known)]);
      return ref;
    },
    get: (ref, options) =>
      orElse(
        () => local.get(ref, options),
        () => store.get(ref, options),
      ),
    getRange: (ref, ...rest) =>
      orElse(
        () => local.getRange(ref, ...rest),
        () => store.getRange(ref, ...rest),
      ),
  };
};

/**
 * As {@link roundStore}, and the store where uploads wait holds a copy of everything else as well:
 * an expired blob is stored again from there. What is archived waits there already.
 */
export const roundStoreWithCopies = (init: RoundStoreInit): StagedStore => {
  const store = roundStore(init);
  const copies = contentStore(init.waiting);
  return {
    ...store,
    ...withLocalCopies(store, init.waiting),
    sustain: (blobs, options) =>
      store.sustain(blobs, { ...options, copy: (ref) => copies.get(ref) }),
  };
};
