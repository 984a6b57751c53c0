/**
 * @module Keeps blobs on Walrus beyond the epochs that were paid first: extended while they are
 * there (`extend_blob` of Walrus's contract), stored again once they are gone. A blob's id follows
 * from its bytes alone, so every record that names it holds.
 */
import type { WalrusClient } from '@mysten/walrus';
import { toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { BlobRef } from '../../ports/blob-store.ts';
import type { Lease } from '../../ports/upload-staging.ts';
import type { Clock } from '../../ports/clock.ts';
import { parsePatchId } from './quilt.ts';
import { uploadKey, type UploadJournal } from '../../ports/upload-journal.ts';
import { epochStart, readEpochs, type Epochs } from './epochs.ts';
import type { Uploader } from './upload.ts';

/**
 * Epochs that a blob is paid for at least, the present one counted: each look at it may come late
 * in an epoch.
 */
const AHEAD = 2;

export interface KeepingInit {
  readonly walrus: WalrusClient;
  readonly journal: UploadJournal;
  readonly uploader: () => Uploader;
  /** Stores bytes, and waits until they are certified. @returns the Walrus blob id */
  readonly store: (bytes: Uint8Array, quilt: boolean) => Promise<string>;
  /** The bytes of the quilt of these contents, in this order. */
  readonly quiltOf: (contents: readonly Uint8Array[]) => Promise<Uint8Array>;
  /** Epochs that a new blob is paid for. */
  readonly epochs: number;
  readonly warn: (message: string) => void;
  readonly clock: Clock;
}

type Copy = (ref: BlobRef) => Promise<Uint8Array>;
interface Kept {
  readonly endEpoch: number;
  readonly done: 'nothing' | 'extended' | 'restored';
}

/** Blobs of Walrus with the references that lie in each, in the order in which they came. */
const byWalrusId = (blobs: readonly BlobRef[]): ReadonlyMap<string, readonly BlobRef[]> =>
  Map.groupBy(blobs, ({ id }) => parsePatchId(id)?.quilt ?? id);

export const createKeeping = (
  init: KeepingInit,
): ((blobs: readonly BlobRef[], copy: Copy) => Promise<Lease>) => {
  const { walrus, journal, uploader, store, quiltOf, epochs, warn } = init;
  const wanted = Math.max(epochs, AHEAD);
  /**
   * Keys in the journal of uploads, by Walrus id: those of quilts follow from bytes not at hand.
   */
  const quiltKeys = new Map<string, string>();

  const bytesOf = async (refs: readonly BlobRef[], copy: Copy): Promise<Uint8Array> => {
    const parts = await Promise.all(refs.map(copy));
    const [first] = refs;
    const isQuilt = first !== undefined && parsePatchId(first.id) !== undefined;
    return isQuilt ? quiltOf(parts) : (parts[0] as Uint8Array);
  };

  const keyOf = async (id: string, refs: readonly BlobRef[], copy: Copy): Promise<string> => {
    const [first] = refs as [BlobRef];
    if (parsePatchId(first.id) === undefined) return toHex(first.sha256);
    const key = quiltKeys.get(id) ?? uploadKey(await bytesOf(refs, copy), true);
    quiltKeys.set(id, key);
    return key;
  };

  const restore = async (
    id: string,
    refs: readonly BlobRef[],
    copy: Copy,
    endEpoch: number | undefined,
    { epoch }: Epochs,
  ): Promise<Kept> => {
    const isQuilt = parsePatchId((refs[0] as BlobRef).id) !== undefined;
    const paid =
      endEpoch === undefined
        ? `nobody here knows what was paid for blob ${id}`
        : `blob ${id} was paid for until epoch ${endEpoch}, it is epoch ${epoch}`;
    let bytes: Uint8Array;
    try {
      bytes = await bytesOf(refs, copy);
    } catch (cause) {
      throw new FloeError(
        'blob_expired',
        `${paid}, and there is no copy to store again: ${(cause as Error).message}`,
        { blob: id },
        { cause },
      );
    }
    const stored = await store(bytes, isQuilt);
    if (stored !== id)
      throw new FloeError('blob_corrupt', `the copy of blob ${id} is blob ${stored}`, { blob: id });
    const state = await journal.load(uploadKey(bytes, isQuilt));
    return {
      endEpoch: state?.step === 'certified' ? state.endEpoch : epoch + epochs,
      done: 'restored',
    };
  };

  const keep = async (
    id: string,
    refs: readonly BlobRef[],
    copy: Copy,
    now: Epochs,
  ): Promise<Kept | undefined> => {
    const { epoch } = now;
    const key = await keyOf(id, refs, copy).catch(() => undefined);
    const state = key === undefined ? undefined : await journal.load(key);
    // On its way: paid for when it is registered.
    if (state !== undefined && state.step !== 'certified') return undefined;
    if (key === undefined || state === undefined || state.endEpoch <= epoch)
      return restore(id, refs, copy, state?.endEpoch, now);
    if (state.endEpoch - epoch >= AHEAD) return { endEpoch: state.endEpoch, done: 'nothing' };
    try {
      const extended = await uploader().extend(key, state, epoch + wanted);
      if (extended !== undefined) return { endEpoch: extended.endEpoch, done: 'extended' };
    } catch (thrown) {
      warn(
        `blob ${id} is paid for until epoch ${state.endEpoch} only and cannot be paid for longer now: ` +
          (thrown as Error).message,
      );
      return { endEpoch: state.endEpoch, done: 'nothing' };
    }
    return restore(id, refs, copy, state.endEpoch, now);
  };

  /** Of other uploads the journal remembers the latest only. */
  const forgetOthers = async (blobs: readonly BlobRef[], copy: Copy): Promise<void> => {
    try {
      const places = [...byWalrusId(blobs)];
      const keys = await Promise.all(places.map(([id, refs]) => keyOf(id, refs, copy)));
      await journal.forget(new Set(keys));
      const ids = new Set(places.map(([id]) => id));
      for (const id of quiltKeys.keys()) if (!ids.has(id)) quiltKeys.delete(id);
    } catch (thrown) {
      warn(`uploads of earlier attempts stay in the journal for now: ${(thrown as Error).message}`);
    }
  };

  return async (blobs, copy) => {
    const now = await readEpochs(walrus, { clock: init.clock });
    const kept: Kept[] = [];
    for (const [id, refs] of byWalrusId(blobs)) {
      // One signer pays for all of them.
      const one = await keep(id, refs, copy, now);
      if (one !== undefined) kept.push(one);
    }
    await forgetOthers(blobs, copy);
    const count = (what: Kept['done']): number => kept.filter(({ done }) => done === what).length;
    const endEpoch =
      kept.length === 0 ? now.epoch + epochs : Math.min(...kept.map(({ endEpoch: end }) => end));
    return {
      epoch: now.epoch,
      endEpoch,
      endsAt: epochStart(now, endEpoch),
      extended: count('extended'),
      restored: count('restored'),
    };
  };
};
