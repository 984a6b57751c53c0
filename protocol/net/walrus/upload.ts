/**
 * @module An upload to Walrus, step by step: register on Sui (paid), store on the nodes or through the relay, certify on Sui. Each
 * step is in the upload journal before the next begins, and the registration is there before it is sent, so that whatever
 * dies in between, the same upload goes on: it is paid once, and ends certified.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { bcs } from '@mysten/sui/bcs';
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import { Transaction } from '@mysten/sui/transactions';
import type { WalrusClient } from '@mysten/walrus';
import { FloeError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import {
  TransactionFailed,
  TransactionSuperseded,
  type Executed,
  type Sender,
} from '../sui/transactions.ts';
import type { UploadJournal, UploadState } from '../../ports/upload-journal.ts';
import type { WalrusCodec } from './codec.ts';
import { readEpochs } from './epochs.ts';
import { createSending } from './send.ts';
import { readBlobObject, storeError, UNAVAILABLE } from './object.ts';

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

const Certificate = bcs.struct('Certificate', {
  signers: bcs.vector(bcs.u16()),
  serializedMessage: bcs.byteVector(),
  signature: bcs.byteVector(),
});

const createdBlob = ({ created, digest }: Executed): string => {
  const [id] = [...created].find(([, type]) => type.endsWith('::blob::Blob')) ?? [];
  if (id === undefined)
    throw new FloeError('transaction_failed', `transaction ${digest} registered no blob`);
  return id;
};

/** A certificate whose epoch has passed is renewed; more often in a row is not chance. */
const MAX_RENEWALS = 2;
/** How long a relay may take to say what it asks for. */
const RELAY_MS = 8_000;

export interface Uploader {
  /** Promises an upload: from here on a crash does not lose it. @returns where it stands, or will */
  plan(request: UploadRequest): Promise<UploadState>;
  /** Uploads, or goes on where the journal says; anew where what was paid is over. @returns the certified state */
  upload(request: UploadRequest): Promise<State<'certified'>>;
  /**
   * Pays for a certified blob until `endEpoch` begins, unless that is paid already.
   * @returns undefined when it is too late: its epochs are over
   */
  extend(
    key: string,
    state: State<'certified'>,
    endEpoch: number,
  ): Promise<State<'certified'> | undefined>;
}

export const createUploader = (init: UploaderInit): Uploader => {
  const { walrus, client, sender, journal, codec, hasRelay, warn, clock } = init;
  const send = createSending(init);

  const reset = (size: number): void => {
    walrus.reset();
    codec(size).reset();
  };

  const save = async <Next extends UploadState>(key: string, state: Next): Promise<Next> => {
    await journal.save(key, state);
    return state;
  };

  const registered = (
    key: string,
    { transaction: _sent, ...state }: State<'registering'>,
    executed: Executed,
  ): Promise<State<'registered'>> =>
    save(key, { ...state, step: 'registered', objectId: createdBlob(executed) });

  const planAnew = async (request: UploadRequest): Promise<State<'planned'>> => {
    const { key, bytes, quilt, epochs, deletable } = request;
    const size = bytes.length;
    const { blobId, rootHash } = await codec(size).describe(bytes);
    await journal.keepBytes(key, bytes);
    const described = { blobId, rootHash: toBase64(rootHash) };
    return save(key, { step: 'planned', size, deletable, epochs, quilt, ...described });
  };

  const relaySpeaks = async (tip: (transaction: Transaction) => unknown): Promise<boolean> => {
    try {
      const bounds = { timeoutMs: RELAY_MS, clock, code: UNAVAILABLE, what: 'the upload relay' };
      await bounded(bounds, async () => tip(new Transaction()));
      return true;
    } catch (thrown) {
      warn(`the upload relay does not say its price: ${(thrown as Error).message}`);
      return false;
    }
  };

  const register = async (
    { key, bytes }: UploadRequest,
    planned: State<'planned'>,
  ): Promise<State<'registered'>> => {
    const { rootHash, ...upload } = planned;
    const { blobId, size, quilt, epochs, deletable } = upload;
    const nonce = crypto.getRandomValues(new Uint8Array(32));
    const blobDigest = async (): Promise<Uint8Array> =>
      new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
    let state: State<'registering'> | undefined;
    const tip = walrus.sendUploadRelayTip({ size, blobDigest, nonce });
    // A relay that does not say what it asks for must not keep the blob from being paid for: the nodes are there too.
    const tips = hasRelay && (await relaySpeaks(tip));
    const build = (transaction: Transaction): void => {
      if (tips) transaction.add(tip);
      const attributes = quilt ? { attributes: { _walrusBlobType: 'quilt' } } : {};
      walrus.registerBlobTransaction({
        transaction,
        size,
        epochs,
        blobId,
        rootHash: fromBase64(rootHash),
        deletable,
        owner: sender.address,
        ...attributes,
      });
    };
    const submit = (): Promise<Executed> =>
      sender.execute(build, async (prepared) => {
        const transaction = toBase64(prepared.bytes);
        const { digest } = prepared;
        const sent = { nonce: toBase64(nonce), transaction, digest };
        state = await save(key, { ...upload, step: 'registering', ...sent });
      });
    let executed: Executed;
    try {
      executed = await submit();
    } catch (thrown) {
      if (!(thrown instanceof TransactionFailed)) throw thrown;
      // The price or the epoch may have changed since they were read; a failed transaction has cost gas only.
      await save(key, planned);
      reset(size);
      executed = await submit();
    }
    return registered(key, state as unknown as State<'registering'>, executed);
  };

  /** A registration that may or may not have happened: the same bytes again, which happen once. */
  const settleRegistration = async (
    request: UploadRequest,
    state: State<'registering'>,
  ): Promise<State<'registered' | 'planned'>> => {
    try {
      const { digest, transaction } = state;
      const executed = await sender.submit({ digest, bytes: fromBase64(transaction) });
      return await registered(request.key, state, executed);
    } catch (thrown) {
      if (!(thrown instanceof TransactionSuperseded || thrown instanceof TransactionFailed))
        throw thrown;
      warn(`registration ${state.digest} never happened; registering anew`);
      return planAnew(request);
    }
  };

  const upload = async (
    request: UploadRequest,
    state: State<'registered'>,
    viaRelay: boolean,
  ): Promise<State<'uploaded'>> => {
    const what = `storing blob ${state.blobId}`;
    const certificate = await withRetry({ retries: 2, firstMs: 500, clock }, async (attempt) => {
      if (attempt > 1) reset(state.size);
      try {
        return await bounded(
          { timeoutMs: init.uploadTimeoutMs, clock, code: UNAVAILABLE, what },
          (signal) => send(request, state, viaRelay, signal),
        );
      } catch (thrown) {
        throw storeError(thrown, what);
      }
    });
    return save(request.key, {
      ...state,
      step: 'uploaded',
      certificate: Certificate.serialize(certificate).toBase64(),
    });
  };

  const readObject = (objectId: string) => readBlobObject(client, objectId, clock);

  /** Whether the epochs that a registration paid for are over: nobody stores or certifies it any more. */
  const hasRunOut = async (objectId: string): Promise<boolean> => {
    const [{ storage }, { epoch }] = await Promise.all([
      readObject(objectId),
      readEpochs(walrus, { clock }),
    ]);
    return storage.endEpoch <= epoch;
  };

  const certified = async (
    key: string,
    { certificate: _used, nonce: _nonce, digest: _digest, ...state }: State<'uploaded'>,
    endEpoch: number,
  ): Promise<State<'certified'>> => {
    const done = await save(key, { ...state, step: 'certified', endEpoch });
    await journal.dropBytes(key);
    return done;
  };

  /** @returns undefined when the certificate is of no use any more: the epoch it names has passed */
  const certify = async (
    key: string,
    state: State<'uploaded'>,
  ): Promise<State<'certified'> | undefined> => {
    const { blobId, objectId, deletable } = state;
    const certificate = Certificate.parse(fromBase64(state.certificate));
    try {
      await sender.execute((transaction) => {
        walrus.certifyBlobTransaction({
          transaction,
          blobId,
          blobObjectId: objectId,
          deletable,
          certificate: {
            signers: certificate.signers,
            serializedMessage: Uint8Array.from(certificate.serializedMessage),
            signature: Uint8Array.from(certificate.signature),
          },
        });
      });
    } catch (thrown) {
      if (!(thrown instanceof TransactionFailed)) throw thrown;
      // Before a crash it may have been certified already.
      if ((await readObject(objectId)).certifiedEpoch === null) return undefined;
    }
    const { storage } = await readObject(objectId);
    return certified(key, state, storage.endEpoch);
  };

  const plan: Uploader['plan'] = async (request) => {
    const known = await journal.load(request.key);
    switch (known?.step) {
      case undefined:
        return planAnew(request);
      case 'planned':
      case 'registering':
        return known;
      case 'registered':
      case 'uploaded':
        return (await hasRunOut(known.objectId)) ? planAnew(request) : known;
      case 'certified': {
        const { epoch } = await readEpochs(walrus, { clock });
        return known.endEpoch > epoch ? known : planAnew(request);
      }
    }
  };

  /** Uploads what is registered; nothing is lost by trying when its epochs may be over. */
  const uploadOrPlan = async (
    request: UploadRequest,
    state: State<'registered'>,
    viaRelay: boolean,
  ): Promise<State<'uploaded' | 'planned'>> => {
    try {
      return await upload(request, state, viaRelay);
    } catch (thrown) {
      if (!(await hasRunOut(state.objectId))) throw thrown;
      warn(`what was paid for blob ${state.blobId} is over before it was stored; registering anew`);
      reset(state.size);
      return planAnew(request);
    }
  };

  const step = async (
    request: UploadRequest,
    state: Exclude<UploadState, State<'certified' | 'uploaded'>>,
    renewals: number,
  ): Promise<UploadState> => {
    switch (state.step) {
      case 'planned':
        return register(request, state);
      case 'registering':
        return settleRegistration(request, state);
      case 'registered':
        // A relay whose certificate was of no use is not asked again.
        return uploadOrPlan(request, state, hasRelay && renewals === 0);
    }
  };

  return {
    plan,
    upload: async (request) => {
      const { key } = request;
      let state: UploadState = await plan(request);
      for (let renewals = 0; state.step !== 'certified';) {
        // Steps follow each other.
        /* oxlint-disable no-await-in-loop */
        if (state.step !== 'uploaded') {
          state = await step(request, state, renewals);
          continue;
        }
        const done = await certify(key, state);
        if (done !== undefined) return done;
        if (renewals >= MAX_RENEWALS)
          throw new FloeError('store_unavailable', `blob ${state.blobId} is not certified`);
        renewals += 1;
        reset(state.size);
        const { certificate: _, ...before }: State<'uploaded'> = state;
        state = (await hasRunOut(before.objectId))
          ? await planAnew(request)
          : await save(key, { ...before, step: 'registered' });
        /* oxlint-enable no-await-in-loop */
      }
      return state;
    },
    extend: async (key, state, endEpoch) => {
      const { objectId } = state;
      const before = await readObject(objectId);
      // An extension that a crash kept from the journal is not paid twice.
      if (before.storage.endEpoch < endEpoch)
        try {
          await sender.execute((transaction) => {
            transaction.add(walrus.extendBlob({ blobObjectId: objectId, endEpoch }));
          });
        } catch (thrown) {
          if (!(thrown instanceof TransactionFailed)) throw thrown;
          if (await hasRunOut(objectId)) return undefined;
          throw thrown;
        }
      const { storage } = await readObject(objectId);
      return save(key, { ...state, endEpoch: storage.endEpoch });
    },
  };
};
