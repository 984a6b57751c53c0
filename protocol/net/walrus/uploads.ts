/**
 * @module The uploads of one store: one for each content, those that somebody waits for and those
 * that run in the background until `settle`. The journal makes them survive a crash.
 */
import { ownBytes } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { uploadKey, type UploadJournal } from '../../ports/upload-journal.ts';
import type { Uploader, UploadRequest } from './upload.ts';

export interface UploadsInit {
  /** Undefined in a store that only reads. */
  readonly uploader: Uploader | undefined;
  readonly journal: UploadJournal;
  /** Epochs paid for. */
  readonly epochs: number;
  readonly deletable: boolean;
  readonly warn: (message: string) => void;
}

export interface Uploads {
  /** @throws FloeError `store_refused` in a store that only reads */
  payer(): Uploader;
  /**
   * Stores bytes and waits until they are certified. @returns the Walrus blob id
   * @param hash SHA-256 of the bytes, where it is known
   */
  now(bytes: Uint8Array, quilt: boolean, hash?: Uint8Array): Promise<string>;
  /**
   * Promises an upload, which runs in the background until `settle`. @returns the Walrus blob id
   */
  later(bytes: Uint8Array, quilt: boolean, hash?: Uint8Array): Promise<string>;
  /** Resolves once everything that was promised is certified. */
  settle(): Promise<void>;
  /** Finishes what a crash interrupted. @returns how many uploads */
  resume(): Promise<number>;
}

/** The caller may stop waiting; the work continues, for it is paid for. */
export const waited = async <Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> => {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void =>
    aborted.reject(new FloeError('aborted', 'The operation was cancelled.'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

export const createUploads = (init: UploadsInit): Uploads => {
  const { uploader, journal, epochs, deletable, warn } = init;
  const running = new Map<string, Promise<string>>();
  /** Promised and not yet certified, by key. */
  const unsettled = new Map<string, UploadRequest>();

  const payer = (): Uploader => {
    if (uploader !== undefined) return uploader;
    throw new FloeError('store_refused', 'this store has no key to pay with, it only reads');
  };

  const requestOf = (bytes: Uint8Array, quilt: boolean, hash?: Uint8Array): UploadRequest => ({
    key: uploadKey(bytes, quilt, hash),
    bytes: ownBytes(bytes),
    quilt,
    epochs,
    deletable,
  });

  const upload = (request: UploadRequest): Promise<string> => {
    const { key } = request;
    const known = running.get(key);
    if (known !== undefined) return known;
    const started = payer()
      .upload(request)
      .then(({ blobId }) => blobId)
      .finally(() => running.delete(key));
    running.set(key, started);
    return started;
  };

  const settleOne = async (request: UploadRequest): Promise<void> => {
    await upload(request);
    unsettled.delete(request.key);
  };

  return {
    payer,
    now: (bytes, quilt, hash) => upload(requestOf(bytes, quilt, hash)),
    later: async (bytes, quilt, hash) => {
      const request = requestOf(bytes, quilt, hash);
      const { blobId, step } = await payer().plan(request);
      if (step === 'certified') return blobId;
      unsettled.set(request.key, request);
      settleOne(request).catch((thrown: unknown) =>
        warn(`blob ${blobId} is not stored yet: ${(thrown as Error).message}`),
      );
      return blobId;
    },
    settle: async () => void (await Promise.all([...unsettled.values()].map(settleOne))),
    resume: async () => {
      const pending = await journal.pending();
      for (const { key, state } of pending) {
        // One at a time: they may be large.
        const bytes = await journal.readBytes(key);
        if (bytes === undefined)
          throw new FloeError('journal_corrupt', `the bytes of blob ${state.blobId} are gone`);
        await upload(requestOf(bytes, state.quilt));
      }
      return pending.length;
    },
  };
};
