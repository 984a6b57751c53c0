/**
 * @module The upload relay and the publisher: HTTP in front of the real `WalrusClient`. Their
 * public counterparts use the Rust client.
 */
import type { Signer } from '@mysten/sui/cryptography';
import type { SuiGrpcClient } from '@mysten/sui/grpc';
import { Transaction } from '@mysten/sui/transactions';
import { isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import type { WalrusClient } from '@mysten/walrus';
import { DevnetError } from '../errors.ts';
import { json, type HttpHandler, type HttpReply, type HttpRequest } from '../http.ts';
import { addressBytes } from '../chain/objects.ts';
import type { TaskQueue } from '../queue.ts';
import { certificateOf } from './certificate.ts';
import type { EncodedBlob } from './encoding.ts';
import { blobIdOfNumber, confirmationMessage, parseBlobId } from './layout.ts';
import { formatPatchId } from './quilt.ts';
import type { BlobRegistry } from './registry.ts';
import { answer, OPERATION_TIMEOUT_MS, refuse, routeMissing, withRetry } from './replies.ts';
import type { BlobVault } from './vault.ts';

type SliversByNode = Awaited<ReturnType<WalrusClient['encodeBlob']>>['sliversByNode'];

/** What the client encoded, ordered by pair instead of by node. */
const byPair = (source: Uint8Array, nodes: SliversByNode): EncodedBlob => {
  const sorted = (axis: 'primary' | 'secondary'): readonly Uint8Array[] =>
    nodes
      .flatMap((slivers) => slivers[axis])
      .toSorted((a, b) => a.sliverPairIndex - b.sliverPairIndex)
      .map(({ sliver }) => sliver);
  return { source, primary: sorted('primary'), secondary: sorted('secondary') };
};

/**
 * `POST /v1/blob-upload-relay`: encodes a registered blob, stores it on the nodes and returns their
 * certificate.
 */
export const relayHandler = (options: {
  readonly walrus: WalrusClient;
  readonly vault: BlobVault;
  readonly registry: BlobRegistry;
  /** Public keys of the storage nodes, in the committee's order. */
  readonly keys: readonly Uint8Array[];
}): HttpHandler => {
  const { walrus, vault, registry, keys } = options;
  const upload = async ({ url, body }: HttpRequest): Promise<HttpReply> => {
    const blobId = url.searchParams.get('blob_id') ?? '';
    const objectId = url.searchParams.get('deletable_blob_object');
    const id = parseBlobId(blobId);
    if (!id) return refuse(400, 'INVALID_ARGUMENT', 'expected blob_id');
    const source = Uint8Array.from(body);
    const encoded = await walrus.encodeBlob(source);
    if (encoded.blobId !== blobId)
      return refuse(400, 'INVALID_ARGUMENT', `the body is blob ${encoded.blobId}, not ${blobId}`);
    vault.offer(blobId, byPair(source, encoded.sliversByNode));
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
    const object = objectId === null ? undefined : addressBytes(objectId);
    const certificate =
      certificateOf(confirmations, confirmationMessage(registry.epoch, id, object), keys) ??
      // One by one: drops what is wrong, or says what is missing.
      (await walrus.certificateFromConfirmations({
        confirmations,
        blobId,
        deletable: objectId !== null,
        // Not part of the message for a permanent blob.
        blobObjectId: objectId ?? '',
      }));
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

/**
 * `PUT /v1/blobs` and `PUT /v1/quilts`: stores for people without a wallet, from the publisher's
 * own funds.
 */
export const publisherHandler = (options: {
  readonly walrus: WalrusClient;
  readonly suiClient: SuiGrpcClient;
  readonly signer: Signer;
  readonly queue: TaskQueue;
  readonly registry: BlobRegistry;
}): HttpHandler => {
  const { walrus, suiClient, signer, queue, registry } = options;
  /**
   * The client registers in the name of the owner, so the object is stored first and given away
   * after.
   */
  const give = async (objectId: string, recipient: string): Promise<void> => {
    const transaction = new Transaction();
    transaction.transferObjects([transaction.object(objectId)], recipient);
    const result = await signer.signAndExecuteTransaction({ transaction, client: suiClient });
    if (result.$kind !== 'Transaction')
      throw new DevnetError('internal', `the blob object ${objectId} could not be transferred`);
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
        quiltPatchId: formatPatchId({ quilt: blobId, start: startIndex, end: endIndex }),
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
