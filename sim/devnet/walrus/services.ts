/**
 * @module The upload relay, the publisher and the aggregator: HTTP in front of the real `WalrusClient`, as their public
 * counterparts are in front of the Rust client.
 */
import type { Signer } from '@mysten/sui/cryptography';
import type { SuiGrpcClient } from '@mysten/sui/grpc';
import { Transaction } from '@mysten/sui/transactions';
import { fromBase64, isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import {
  BlobNotCertifiedError,
  NotFoundError,
  RetryableWalrusClientError,
  type WalrusClient,
  type WalrusFile,
} from '@mysten/walrus';
import { FloeError } from '../../../protocol/errors.ts';
import { json, type HttpHandler, type HttpReply, type HttpRequest } from '../http.ts';
import type { TaskQueue } from '../queue.ts';
import { blobIdOfNumber, parseBlobId } from './layout.ts';
import type { BlobRegistry } from './registry.ts';

/** Milliseconds after which a read or an upload is given up. */
const OPERATION_TIMEOUT_MS = 120_000;

const refuse = (status: number, reason: string, message: string): HttpReply =>
  json({ error: { status: reason, code: status, message, details: [] } }, status);

const routeMissing = (): HttpReply => refuse(404, 'NOT_FOUND', 'no such route');

const isMissing = (error: unknown): boolean =>
  error instanceof BlobNotCertifiedError || error instanceof NotFoundError;

/** Runs one operation; what the Walrus client throws becomes a reply. */
const answer = async (operation: () => Promise<HttpReply>): Promise<HttpReply> => {
  try {
    return await operation();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return isMissing(error) ? refuse(404, 'NOT_FOUND', message) : refuse(500, 'INTERNAL', message);
  }
};

/** After an epoch change the client's committee is old: once more with a fresh one. */
const withRetry = async <T>(walrus: WalrusClient, read: () => Promise<T>): Promise<T> => {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RetryableWalrusClientError)) throw error;
    walrus.reset();
    return read();
  }
};

/** `POST /v1/blob-upload-relay`: encodes a registered blob, stores it on the nodes and returns their certificate. */
export const relayHandler = (walrus: WalrusClient): HttpHandler => {
  const upload = async ({ url, body }: HttpRequest): Promise<HttpReply> => {
    const blobId = url.searchParams.get('blob_id') ?? '';
    const objectId = url.searchParams.get('deletable_blob_object');
    if (!parseBlobId(blobId)) return refuse(400, 'INVALID_ARGUMENT', 'expected blob_id');
    const encoded = await walrus.encodeBlob(Uint8Array.from(body));
    if (encoded.blobId !== blobId)
      return refuse(400, 'INVALID_ARGUMENT', `the body is blob ${encoded.blobId}, not ${blobId}`);
    const signal = AbortSignal.timeout(OPERATION_TIMEOUT_MS);
    const { metadata, sliversByNode } = encoded;
    const target =
      objectId === null
        ? ({ deletable: false } as const)
        : ({ deletable: true, objectId } as const);
    const confirmations = await walrus.writeEncodedBlobToNodes({
      blobId,
      metadata,
      sliversByNode,
      signal,
      ...target,
    });
    const certificate = await walrus.certificateFromConfirmations({
      confirmations,
      blobId,
      deletable: objectId !== null,
      // Not part of the message for a permanent blob.
      blobObjectId: objectId ?? '',
    });
    return json({
      blob_id: blobId,
      confirmation_certificate: {
        signers: certificate.signers,
        serialized_message: [...certificate.serializedMessage],
        signature: Buffer.from(certificate.signature).toString('base64url'),
      },
    });
  };
  return (request) => {
    const { pathname } = request.url;
    if (request.method === 'GET' && pathname === '/v1/tip-config') return json('no_tip');
    if (request.method === 'POST' && pathname === '/v1/blob-upload-relay')
      return answer(() => upload(request));
    return routeMissing();
  };
};

interface BlobObject {
  readonly id: string;
  readonly registered_epoch: number;
  readonly blob_id: string;
  readonly size: string;
  readonly certified_epoch: number | null;
  readonly deletable: boolean;
  readonly storage: {
    readonly id: string;
    readonly start_epoch: number;
    readonly end_epoch: number;
    readonly storage_size: string;
  };
}

const describeBlob = (blob: BlobObject): unknown => ({
  id: blob.id,
  registeredEpoch: blob.registered_epoch,
  blobId: blobIdOfNumber(blob.blob_id),
  size: Number(blob.size),
  encodingType: 'RS2',
  certifiedEpoch: blob.certified_epoch,
  storage: {
    id: blob.storage.id,
    startEpoch: blob.storage.start_epoch,
    endEpoch: blob.storage.end_epoch,
    storageSize: Number(blob.storage.storage_size),
  },
  deletable: blob.deletable,
});

interface StoreOptions {
  readonly epochs: number;
  readonly deletable: boolean;
  readonly owner: string;
}

const storeOptions = (url: URL, publisher: string): StoreOptions | string => {
  const epochs = Number(url.searchParams.get('epochs') ?? '1');
  const owner = url.searchParams.get('send_object_to') ?? publisher;
  if (!Number.isInteger(epochs) || epochs < 1 || epochs > 53)
    return `expected epochs in 1..53, got ${url.searchParams.get('epochs')}`;
  if (!isValidSuiAddress(normalizeSuiAddress(owner)))
    return `expected an address in send_object_to, got ${owner}`;
  const deletable = url.searchParams.get('permanent') !== 'true';
  return { epochs, deletable, owner };
};

/** `PUT /v1/blobs` and `PUT /v1/quilts`: stores for people without a wallet, from the publisher's own funds. */
export const publisherHandler = (options: {
  readonly walrus: WalrusClient;
  readonly suiClient: SuiGrpcClient;
  readonly signer: Signer;
  readonly queue: TaskQueue;
  readonly registry: BlobRegistry;
}): HttpHandler => {
  const { walrus, suiClient, signer, queue, registry } = options;
  /** The client registers in the name of the owner, so the object is stored first and given away after. */
  const give = async (objectId: string, recipient: string): Promise<void> => {
    const transaction = new Transaction();
    transaction.transferObjects([transaction.object(objectId)], recipient);
    const result = await signer.signAndExecuteTransaction({ transaction, client: suiClient });
    if (result.$kind !== 'Transaction')
      throw new FloeError('internal', `the blob object ${objectId} could not be given away`);
  };
  const store = async (
    blob: Uint8Array,
    { epochs, deletable, owner }: StoreOptions,
    attributes?: Record<string, string>,
  ): Promise<unknown> => {
    const { blobId } = await walrus.computeBlobMetadata({ bytes: blob });
    const permanent = registry
      .entries(blobId)
      .find(
        (entry) =>
          !entry.deletable &&
          entry.certifiedEpoch !== undefined &&
          entry.endEpoch >= registry.epoch + epochs,
      );
    if (permanent && !deletable)
      return {
        alreadyCertified: {
          blobId,
          event: permanent.statusEvent,
          endEpoch: permanent.endEpoch,
        },
      };
    const { blobObject } = await walrus.writeBlob({
      blob,
      epochs,
      deletable,
      signer,
      signal: AbortSignal.timeout(OPERATION_TIMEOUT_MS),
      ...(attributes ? { attributes } : {}),
    });
    if (owner !== signer.toSuiAddress()) await give(blobObject.id, owner);
    // The object that writeBlob returns was read before certification.
    const certified = registry.entries(blobId).find(({ objectId }) => objectId === blobObject.id);
    const cost = await walrus.storageCost(blob.length, epochs);
    return {
      newlyCreated: {
        blobObject: describeBlob({
          ...blobObject,
          certified_epoch: certified?.certifiedEpoch ?? blobObject.certified_epoch,
        }),
        resourceOperation: {
          registerFromScratch: {
            encodedLength: Number(blobObject.storage.storage_size),
            epochsAhead: epochs,
          },
        },
        cost: Number(cost.totalCost),
      },
    };
  };
  const storeBlob = async (request: HttpRequest, target: StoreOptions): Promise<HttpReply> =>
    json(await withRetry(walrus, () => store(Uint8Array.from(request.body), target)));
  const storeQuilt = async (request: HttpRequest, target: StoreOptions): Promise<HttpReply> => {
    const form = await new Response(Buffer.from(request.body), {
      headers: { 'content-type': request.headers['content-type'] ?? '' },
    }).formData();
    const blobs: { contents: Uint8Array; identifier: string }[] = [];
    for (const [identifier, value] of form)
      blobs.push({
        identifier,
        contents: new Uint8Array(
          typeof value === 'string' ? Buffer.from(value) : await value.arrayBuffer(),
        ),
      });
    const { quilt, index } = await walrus.encodeQuilt({ blobs });
    const blobStoreResult = await withRetry(walrus, () =>
      store(quilt, target, { _walrusBlobType: 'quilt' }),
    );
    const { blobId } = await walrus.computeBlobMetadata({ bytes: quilt });
    return json({
      blobStoreResult,
      storedQuiltBlobs: index.patches.map(({ identifier, startIndex, endIndex }) => ({
        identifier,
        quiltPatchId: patchId(blobId, startIndex, endIndex),
        range: [startIndex, endIndex],
      })),
    });
  };
  return (request) => {
    const { pathname } = request.url;
    if (request.method !== 'PUT' || !['/v1/blobs', '/v1/quilts'].includes(pathname))
      return routeMissing();
    const target = storeOptions(request.url, signer.toSuiAddress());
    if (typeof target === 'string') return refuse(400, 'INVALID_ARGUMENT', target);
    return answer(() =>
      queue.run(() =>
        pathname === '/v1/blobs' ? storeBlob(request, target) : storeQuilt(request, target),
      ),
    );
  };
};

/** A quilt patch's id: quilt id, version 1, first and last sliver, as base64url. */
const patchId = (blobId: string, startIndex: number, endIndex: number): string => {
  const bytes = new Uint8Array(37);
  bytes.set(fromBase64(`${blobId.replaceAll('-', '+').replaceAll('_', '/')}=`));
  const view = new DataView(bytes.buffer);
  view.setUint8(32, 1);
  view.setUint16(33, startIndex, true);
  view.setUint16(35, endIndex, true);
  return Buffer.from(bytes).toString('base64url');
};

const octets = (body: Uint8Array): HttpReply => ({
  status: 200,
  headers: { 'content-type': 'application/octet-stream' },
  body,
});

const fileBytes = async (file: WalrusFile | undefined): Promise<HttpReply> =>
  file ? octets(await file.bytes()) : refuse(404, 'NOT_FOUND', 'no such file in the quilt');

/** `GET /v1/blobs/...`: reads blobs, and files of quilts, for whoever speaks plain HTTP. */
export const aggregatorHandler = (walrus: WalrusClient): HttpHandler => {
  const readBlob = (blobId: string): Promise<Uint8Array> =>
    withRetry(walrus, () =>
      walrus.readBlob({ blobId, signal: AbortSignal.timeout(OPERATION_TIMEOUT_MS) }),
    );
  const read = async (kind: string, id: string, name: string): Promise<HttpReply> => {
    switch (kind) {
      case 'by-object-id': {
        walrus.reset();
        const blob = await walrus.getBlobObject(id);
        return octets(await readBlob(blobIdOfNumber(blob.blob_id)));
      }
      case 'by-quilt-patch-id':
        return fileBytes((await walrus.getFiles({ ids: [id] }))[0]);
      case 'by-quilt-id': {
        const quilt = await walrus.getBlob({ blobId: id });
        return fileBytes((await quilt.files({ identifiers: [name] }))[0]);
      }
      default:
        return octets(await readBlob(kind));
    }
  };
  return ({ method, url }) => {
    const [version, blobs, kind = '', id = '', name = ''] = url.pathname.slice(1).split('/');
    if (method !== 'GET' || version !== 'v1' || blobs !== 'blobs') return routeMissing();
    if (!kind.startsWith('by-') && !parseBlobId(kind))
      return refuse(400, 'INVALID_ARGUMENT', `expected a blob id, got ${kind}`);
    return answer(() => read(kind, id, decodeURIComponent(name)));
  };
};
