/**
 * @module An upload to Walrus, step by step: register on Sui (paid), store on the nodes or through
 * the relay, certify on Sui. Each step is in the upload journal before the next begins, and the
 * registration is there before it is sent, so that whatever dies in between, the same upload goes
 * on: it is paid once, and ends certified.
 */
import { FloeError } from '../../errors.ts';
import type { UploadState } from '../../ports/upload-journal.ts';
import { TransactionFailed } from '../sui/transactions.ts';
import { readEpochs } from './epochs.ts';
import {
  createUploadContext,
  type State,
  type UploaderInit,
  type UploadRequest,
} from './upload-context.ts';
import { createRegistration } from './upload-register.ts';
import { createCertification } from './upload-store.ts';

export type { State, UploaderInit, UploadRequest } from './upload-context.ts';

/** A certificate whose epoch has passed is renewed; more often in a row is not chance. */
const MAX_RENEWALS = 2;

export interface Uploader {
  /**
   * Promises an upload: from here on a crash does not lose it. @returns where it stands, or will
   */
  plan(request: UploadRequest): Promise<UploadState>;
  /**
   * Uploads, or continues where the journal says; anew where what was paid is over. @returns the
   * certified state
   */
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
  const context = createUploadContext(init);
  const { walrus, sender, journal, hasRelay, clock } = context;
  const { save, reset, planAnew, readObject, hasRunOut } = context;
  const registration = createRegistration(context);
  const certification = createCertification(context);

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

  const step = async (
    request: UploadRequest,
    state: Exclude<UploadState, State<'certified' | 'uploaded'>>,
    renewals: number,
  ): Promise<UploadState> => {
    switch (state.step) {
      case 'planned':
        return registration.register(request, state);
      case 'registering':
        return registration.settle(request, state);
      case 'registered':
        // A relay whose certificate was of no use is not asked again.
        return certification.store(request, state, hasRelay && renewals === 0);
    }
  };

  return {
    plan,
    upload: async (request) => {
      const { key } = request;
      let state: UploadState = await plan(request);
      for (let renewals = 0; state.step !== 'certified';) {
        // Steps follow each other.
        if (state.step !== 'uploaded') {
          state = await step(request, state, renewals);
          continue;
        }
        const done = await certification.certify(key, state);
        if (done !== undefined) return done;
        if (renewals >= MAX_RENEWALS)
          throw new FloeError('store_unavailable', `blob ${state.blobId} is not certified`);
        renewals += 1;
        reset(state.size);
        const { certificate: _, ...before }: State<'uploaded'> = state;
        state = (await hasRunOut(before.objectId))
          ? await planAnew(request)
          : await save(key, { ...before, step: 'registered' });
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
