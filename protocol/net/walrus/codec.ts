/**
 * @module The part of Walrus that computes: erasure coding for uploads, decoding and checking for
 * reads, quilts. It is the SDK's WalrusClient either in this thread or, for blobs large enough to
 * block the event loop noticeably, in a separate worker.
 */
import type { WalrusClient } from '@mysten/walrus';
import { FloeError, isErrorCode, toFloeError } from '../../errors.ts';
import { keepGenericWrappers } from '../../wasm-wrappers.ts';
import { deadline, systemClock, type Clock } from '../../ports/clock.ts';
import type { NetworkConfig } from '../config.ts';

export type EncodedBlob = Awaited<ReturnType<WalrusClient['encodeBlob']>>;

export interface DescribedBlob {
  readonly blobId: string;
  readonly rootHash: Uint8Array;
}

export interface EncodedQuilt {
  readonly bytes: Uint8Array;
  readonly patches: readonly {
    readonly identifier: string;
    readonly start: number;
    readonly end: number;
  }[];
}

export interface QuiltItem {
  readonly identifier: string;
  readonly contents: Uint8Array;
}

/** Errors of the SDK by the name of their class, since classes do not cross threads. */
export class CodecError extends Error {
  readonly sdk: string;
  constructor(sdk: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.sdk = sdk;
  }
}

/** Name of the SDK's class of an error, whichever thread it comes from. */
export const sdkName = (thrown: unknown): string =>
  thrown instanceof CodecError ? thrown.sdk : (thrown as Error).constructor.name;

export interface WalrusCodec {
  describe(bytes: Uint8Array): Promise<DescribedBlob>;
  encode(bytes: Uint8Array): Promise<EncodedBlob>;
  quilt(items: readonly QuiltItem[]): Promise<EncodedQuilt>;
  /**
   * Reads a blob from the storage nodes and compares it with its id.
   * @param most bytes; nothing is fetched of a larger blob: another party names the blob, and can
   * name one that exceeds the memory
   * @param timeoutMs the SDK may never settle
   */
  read(blobId: string, most: number, timeoutMs: number): Promise<Uint8Array>;
  /** Forgets what is known of committee and prices. */
  reset(): void;
  close(): Promise<void>;
}

/** In this thread. */
export const directCodec = (client: WalrusClient, clock: Clock = systemClock): WalrusCodec => ({
  describe: async (bytes) => {
    const { blobId, rootHash } = await client.computeBlobMetadata({ bytes });
    return { blobId, rootHash };
  },
  encode: (bytes) => client.encodeBlob(bytes),
  quilt: async (items) => {
    const { quilt, index } = await client.encodeQuilt({ blobs: [...items] });
    return {
      bytes: quilt,
      patches: index.patches.map(({ identifier, startIndex, endIndex }) => ({
        identifier,
        start: startIndex,
        end: endIndex,
      })),
    };
  },
  read: async (blobId, most, timeoutMs) => {
    const { signal, release } = deadline(clock, timeoutMs);
    try {
      const { metadata } = await client.getBlobMetadata({ blobId, signal });
      const length = Number(metadata.V1.unencoded_length);
      // It is one node's word, so another attempt may hear another.
      if (length > most)
        throw new CodecError(
          'InconsistentBlobError',
          `expected at most ${most} bytes, a storage node speaks of ${length}`,
        );
      return await client.readBlob({ blobId, signal });
    } finally {
      release();
    }
  },
  reset: () => client.reset(),
  close: async () => undefined,
});

/** A call to the worker, and what comes back. */
export type CodecCall =
  | { readonly id: number; readonly type: 'describe' | 'encode'; readonly bytes: Uint8Array }
  | { readonly id: number; readonly type: 'quilt'; readonly items: readonly QuiltItem[] }
  | {
      readonly id: number;
      readonly type: 'read';
      readonly blobId: string;
      readonly most: number;
      readonly timeoutMs: number;
    }
  | { readonly id: number; readonly type: 'reset' };

export type CodecAnswer = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly error: { readonly name: string; readonly message: string } }
);

type WithoutId<Call> = Call extends unknown ? Omit<Call, 'id'> : never;

/** `node:worker_threads` where there is one; in browsers the codec computes in place. */
const workerThreads = globalThis.process?.getBuiltinModule?.('node:worker_threads');

/**
 * In a worker thread, started at the first call.
 * @returns undefined where there are no worker threads
 */
export const threadCodec = (network: NetworkConfig): WalrusCodec | undefined => {
  if (workerThreads === undefined) return undefined;
  const { Worker } = workerThreads;
  const waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >();
  let next = 0;
  let worker: InstanceType<typeof Worker> | undefined;

  const fail = (error: Error): void => {
    worker = undefined;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };

  const start = (): InstanceType<typeof Worker> => {
    const name = `./worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
    keepGenericWrappers();
    const started = new Worker(new URL(name, import.meta.url), { workerData: network });
    // It must not keep a process alive that has nothing else to do.
    started.unref();
    started.on('message', (answer: CodecAnswer) => {
      const call = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (waiting.size === 0) started.unref();
      if ('value' in answer) call?.resolve(answer.value);
      else call?.reject(errorOf(answer.error));
    });
    started.on('error', (error) => fail(toFloeError(error)));
    started.on('exit', () => fail(new FloeError('internal', 'the Walrus worker ended')));
    return started;
  };

  const call = (request: WithoutId<CodecCall>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker ??= start();
      const id = next;
      next += 1;
      waiting.set(id, { resolve, reject });
      worker.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin
      worker.postMessage({ ...request, id });
    });

  return {
    describe: async (bytes) => (await call({ type: 'describe', bytes })) as DescribedBlob,
    encode: async (bytes) => (await call({ type: 'encode', bytes })) as EncodedBlob,
    quilt: async (items) => (await call({ type: 'quilt', items })) as EncodedQuilt,
    read: async (blobId, most, timeoutMs) =>
      (await call({ type: 'read', blobId, most, timeoutMs })) as Uint8Array,
    reset: () => {
      if (worker !== undefined)
        call({ type: 'reset' }).catch((thrown: unknown) => fail(toFloeError(thrown)));
    },
    close: async () => {
      const running = worker;
      fail(new FloeError('aborted', 'The operation was cancelled.'));
      await running?.terminate();
    },
  };
};

const errorOf = ({ name, message }: { readonly name: string; readonly message: string }): Error =>
  isErrorCode(name) ? new FloeError(name, message) : new CodecError(name, message);
