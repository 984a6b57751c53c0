/**
 * @module An upload to Walrus, step by step: register on Sui (paid), store on the nodes or through the relay, certify on Sui. Each
 * step is in the upload journal before the next begins, and the registration is there before it is sent, so that whatever
 * dies in between, the same upload goes on: it is paid once, and ends certified.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { bcs } from '@mysten/sui/bcs';
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import type { Transaction } from '@mysten/sui/transactions';
import type { ProtocolMessageCertificate, WalrusClient } from '@mysten/walrus';
import { FloeError, type ErrorCode } from '../errors.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import {
  TransactionFailed,
  TransactionSuperseded,
  type Executed,
  type Sender,
} from '../sui/transactions.ts';
import type { UploadJournal, UploadState } from './upload-journal.ts';
import type { WalrusCodec } from './walrus-codec.ts';

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
}

export interface UploadRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly quilt: boolean;
  readonly epochs: number;
  readonly deletable: boolean;
}

type Confirmations = Parameters<WalrusClient['certificateFromConfirmations']>[0]['confirmations'];
type State<Step extends UploadState['step']> = UploadState & { readonly step: Step };

const UNAVAILABLE: ErrorCode = 'store_unavailable';
const RS2 = 'RS2';

const BlobObject = bcs.struct('Blob', {
  id: bcs.Address,
  registeredEpoch: bcs.u32(),
  blobId: bcs.u256(),
  size: bcs.u64(),
  encodingType: bcs.u8(),
  certifiedEpoch: bcs.option(bcs.u32()),
  storage: bcs.struct('Storage', {
    id: bcs.Address,
    startEpoch: bcs.u32(),
    endEpoch: bcs.u32(),
    storageSize: bcs.u64(),
  }),
  deletable: bcs.bool(),
});

const Certificate = bcs.struct('Certificate', {
  signers: bcs.vector(bcs.u16()),
  serializedMessage: bcs.byteVector(),
  signature: bcs.byteVector(),
});

const storeError = (thrown: unknown, what: string): FloeError =>
  thrown instanceof FloeError
    ? thrown
    : new FloeError(UNAVAILABLE, `${what}: ${(thrown as Error).message}`, {}, { cause: thrown });

const createdBlob = ({ created, digest }: Executed): string => {
  const [id] = [...created].find(([, type]) => type.endsWith('::blob::Blob')) ?? [];
  if (id === undefined)
    throw new FloeError('transaction_failed', `transaction ${digest} registered no blob`);
  return id;
};

export interface Uploader {
  /** Promises an upload: from here on a crash does not lose it. @returns where it stands, or will */
  plan(request: UploadRequest): Promise<UploadState>;
  /** Uploads, or goes on where the journal says. @returns the certified state */
  upload(request: UploadRequest): Promise<State<'certified'>>;
}

export const createUploader = (init: UploaderInit): Uploader => {
  const { walrus, client, sender, journal, codec, hasRelay, warn } = init;

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
    const build = (transaction: Transaction): void => {
      if (hasRelay) transaction.add(walrus.sendUploadRelayTip({ size, blobDigest, nonce }));
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
    const send = (): Promise<Executed> =>
      sender.execute(build, async (prepared) => {
        const transaction = toBase64(prepared.bytes);
        const { digest } = prepared;
        const sent = { nonce: toBase64(nonce), transaction, digest };
        state = await save(key, { ...upload, step: 'registering', ...sent });
      });
    let executed: Executed;
    try {
      executed = await send();
    } catch (thrown) {
      if (!(thrown instanceof TransactionFailed)) throw thrown;
      // The price or the epoch may have changed since they were read; a failed transaction has cost gas only.
      await save(key, planned);
      reset(size);
      executed = await send();
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

  /** To the nodes, all at once. Enough of them suffice: the slow ones are not waited for. */
  const sendToNodes = async (
    request: UploadRequest,
    state: State<'registered'>,
    signal: AbortSignal,
  ): Promise<ProtocolMessageCertificate> => {
    const { blobId, deletable, objectId } = state;
    const { metadata, sliversByNode } = await codec(state.size).encode(request.bytes);
    const target = deletable
      ? ({ deletable: true, objectId } as const)
      : ({ deletable: false } as const);
    const weightOf = (node: number): number => sliversByNode[node]?.primary.length ?? 0;
    const shards = sliversByNode.reduce((sum, _, node) => sum + weightOf(node), 0);
    const confirmations: Confirmations = sliversByNode.map(() => null);
    const stop = new AbortController();
    const enough = Promise.withResolvers<void>();
    const writes = sliversByNode.map(async (slivers, nodeIndex) => {
      confirmations[nodeIndex] = await walrus.writeEncodedBlobToNode({
        blobId,
        nodeIndex,
        metadata,
        slivers,
        signal: AbortSignal.any([signal, stop.signal]),
        ...target,
      });
      const given = confirmations.flatMap((confirmation, node) => (confirmation ? [node] : []));
      const weight = given.reduce((sum, node) => sum + weightOf(node), 0);
      // The chain counts shards, the SDK counts nodes.
      if (3 * weight > 2 * shards && 3 * given.length > 2 * sliversByNode.length) enough.resolve();
    });
    const all = Promise.allSettled(writes);
    await Promise.race([all, enough.promise]);
    await Promise.race([
      all,
      new Promise((resolve) => {
        setTimeout(resolve, init.stragglerMs);
      }),
    ]);
    stop.abort();
    return walrus.certificateFromConfirmations({
      confirmations: [...confirmations],
      blobId,
      deletable,
      blobObjectId: objectId,
    });
  };

  const sendToRelay = async (
    request: UploadRequest,
    { blobId, deletable, objectId, digest, nonce }: State<'registered'>,
    signal: AbortSignal,
  ): Promise<ProtocolMessageCertificate> => {
    const { certificate } = await walrus.writeBlobToUploadRelay({
      blobId,
      blob: request.bytes,
      nonce: fromBase64(nonce),
      txDigest: digest,
      blobObjectId: objectId,
      deletable,
      encodingType: RS2,
      signal,
    });
    return certificate;
  };

  const send = async (
    request: UploadRequest,
    state: State<'registered'>,
    viaRelay: boolean,
    signal: AbortSignal,
  ): Promise<ProtocolMessageCertificate> => {
    if (viaRelay)
      try {
        return await bounded(
          {
            timeoutMs: init.uploadTimeoutMs / 2,
            signal,
            code: UNAVAILABLE,
            what: 'the upload relay',
          },
          (inner) => sendToRelay(request, state, inner),
        );
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        warn(`the upload relay failed, sending to the storage nodes: ${(thrown as Error).message}`);
      }
    return sendToNodes(request, state, signal);
  };

  const upload = async (
    request: UploadRequest,
    state: State<'registered'>,
    viaRelay: boolean,
  ): Promise<State<'uploaded'>> => {
    const what = `storing blob ${state.blobId}`;
    const certificate = await withRetry({ retries: 2, firstMs: 500 }, async (attempt) => {
      if (attempt > 1) reset(state.size);
      try {
        return await bounded(
          { timeoutMs: init.uploadTimeoutMs, code: UNAVAILABLE, what },
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

  const readObject = async (objectId: string): Promise<typeof BlobObject.$inferType> =>
    withRetry({ retries: 4 }, async () => {
      try {
        const include = { content: true } as const;
        const { object } = await client.core.getObject({ objectId, include });
        return BlobObject.parse(object.content);
      } catch (thrown) {
        throw storeError(thrown, `reading blob object ${objectId}`);
      }
    });

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

  /** Renews a certificate whose epoch has passed; twice in a row is not chance. */
  const MAX_RENEWALS = 2;

  const plan: Uploader['plan'] = async (request) =>
    (await journal.load(request.key)) ?? planAnew(request);

  return {
    plan,
    upload: async (request) => {
      const { key } = request;
      let state: UploadState = await plan(request);
      for (let renewals = 0; ;) {
        // Steps follow each other.
        /* oxlint-disable no-await-in-loop */
        switch (state.step) {
          case 'planned':
            state = await register(request, state);
            break;
          case 'registering':
            state = await settleRegistration(request, state);
            break;
          case 'registered':
            // A relay whose certificate was of no use is not asked again.
            state = await upload(request, state, hasRelay && renewals === 0);
            break;
          case 'uploaded': {
            const done = await certify(key, state);
            if (done !== undefined) return done;
            if (renewals >= MAX_RENEWALS)
              throw new FloeError('store_unavailable', `blob ${state.blobId} is not certified`);
            renewals += 1;
            reset(state.size);
            const { certificate: _, ...before }: State<'uploaded'> = state;
            state = await save(key, { ...before, step: 'registered' });
            break;
          }
          case 'certified':
            return state;
        }
        /* oxlint-enable no-await-in-loop */
      }
    },
  };
};
