/**
 * @module The later steps of an upload to Walrus: the bytes go to the nodes or through the relay,
 * and their certificate goes to Sui.
 */
import { bcs } from '@mysten/sui/bcs';
import { fromBase64 } from '@mysten/sui/utils';
import { bounded, withRetry } from '../sui/bounds.ts';
import { TransactionFailed } from '../sui/transactions.ts';
import { storeError, UNAVAILABLE } from './object.ts';
import { createSending } from './send.ts';
import type { State, UploadContext, UploadRequest } from './upload-context.ts';

const Certificate = bcs.struct('Certificate', {
  signers: bcs.vector(bcs.u16()),
  serializedMessage: bcs.byteVector(),
  signature: bcs.byteVector(),
});

export interface Certification {
  /** Sends the bytes of a registered upload; begins anew where its epochs are over. */
  store(
    request: UploadRequest,
    state: State<'registered'>,
    viaRelay: boolean,
  ): Promise<State<'uploaded' | 'planned'>>;
  /**
   * @returns undefined when the certificate is of no use any more: the epoch it names has passed
   */
  certify(key: string, state: State<'uploaded'>): Promise<State<'certified'> | undefined>;
}

export const createCertification = (context: UploadContext): Certification => {
  const { walrus, sender, journal, warn, clock } = context;
  const { save, reset, planAnew, readObject, hasRunOut } = context;
  const send = createSending(context);

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
          { timeoutMs: context.uploadTimeoutMs, clock, code: UNAVAILABLE, what },
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

  const certified = async (
    key: string,
    { certificate: _used, nonce: _nonce, digest: _digest, ...state }: State<'uploaded'>,
    endEpoch: number,
  ): Promise<State<'certified'>> => {
    const done = await save(key, { ...state, step: 'certified', endEpoch });
    await journal.dropBytes(key);
    return done;
  };

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

  return { store: uploadOrPlan, certify };
};
