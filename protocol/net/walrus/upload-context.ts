/**
 * @module What the steps of an upload to Walrus share: the request, the journal of states, and
 * whether what was paid for an upload is over.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { toBase64 } from '@mysten/sui/utils';
import type { WalrusClient } from '@mysten/walrus';
import type { Clock } from '../../ports/clock.ts';
import type { UploadJournal, UploadState } from '../../ports/upload-journal.ts';
import type { Sender } from '../sui/transactions.ts';
import type { WalrusCodec } from './codec.ts';
import { readEpochs } from './epochs.ts';
import { readBlobObject } from './object.ts';

export interface UploaderInit {
  readonly walrus: WalrusClient;
  readonly client: ClientWithCoreApi;
  readonly sender: Sender;
  readonly journal: UploadJournal;
  readonly codec: (size: number) => WalrusCodec;
  readonly hasRelay: boolean;
  /** Milliseconds for the step that moves the bytes. */
  readonly uploadTimeoutMs: number;
  /** How long slow nodes are waited for once enough have confirmed. */
  readonly stragglerMs: number;
  readonly warn: (message: string) => void;
  readonly clock: Clock;
}

export interface UploadRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly quilt: boolean;
  readonly epochs: number;
  readonly deletable: boolean;
}

export type State<Step extends UploadState['step']> = UploadState & { readonly step: Step };

export interface UploadContext extends UploaderInit {
  /** Forgets what is known of committee and prices. */
  readonly reset: (size: number) => void;
  /** Journals a state. */
  readonly save: <Next extends UploadState>(key: string, state: Next) => Promise<Next>;
  /** Begins an upload anew. */
  readonly planAnew: (request: UploadRequest) => Promise<State<'planned'>>;
  readonly readObject: (objectId: string) => ReturnType<typeof readBlobObject>;
  /**
   * Whether the epochs that a registration paid for are over: nobody stores or certifies it any
   * more.
   */
  readonly hasRunOut: (objectId: string) => Promise<boolean>;
}

export const createUploadContext = (init: UploaderInit): UploadContext => {
  const { walrus, client, journal, codec, clock } = init;
  const reset = (size: number): void => {
    walrus.reset();
    codec(size).reset();
  };

  const save = async <Next extends UploadState>(key: string, state: Next): Promise<Next> => {
    await journal.save(key, state);
    return state;
  };

  const planAnew = async (request: UploadRequest): Promise<State<'planned'>> => {
    const { key, bytes, quilt, epochs, deletable } = request;
    const size = bytes.length;
    const { blobId, rootHash } = await codec(size).describe(bytes);
    await journal.keepBytes(key, bytes);
    const described = { blobId, rootHash: toBase64(rootHash) };
    return save(key, { step: 'planned', size, deletable, epochs, quilt, ...described });
  };

  const readObject = (objectId: string) => readBlobObject(client, objectId, clock);

  const hasRunOut = async (objectId: string): Promise<boolean> => {
    const [{ storage }, { epoch }] = await Promise.all([
      readObject(objectId),
      readEpochs(walrus, { clock }),
    ]);
    return storage.endEpoch <= epoch;
  };

  return { ...init, reset, save, planAnew, readObject, hasRunOut };
};
