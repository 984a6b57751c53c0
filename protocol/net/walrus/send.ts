/**
 * @module The step of an upload that moves the bytes: through the relay where there is one, else to
 * the storage nodes, whose confirmations make the certificate (Walrus documentation, upload relay
 * and storage nodes).
 */
import { fromBase64 } from '@mysten/sui/utils';
import type { ProtocolMessageCertificate, WalrusClient } from '@mysten/walrus';
import { sleep, type Clock } from '../../ports/clock.ts';
import { bounded } from '../sui/bounds.ts';
import type { UploadState } from '../../ports/upload-journal.ts';
import type { WalrusCodec } from './codec.ts';
import { UNAVAILABLE } from './object.ts';
import type { UploadRequest } from './upload-context.ts';

export interface SendingInit {
  readonly walrus: WalrusClient;
  readonly codec: (size: number) => WalrusCodec;
  /** Milliseconds for the step. */
  readonly uploadTimeoutMs: number;
  /** How long slow nodes are waited for once enough have confirmed. */
  readonly stragglerMs: number;
  readonly warn: (message: string) => void;
  readonly clock: Clock;
}

type Confirmations = Parameters<WalrusClient['certificateFromConfirmations']>[0]['confirmations'];
type Registered = UploadState & { readonly step: 'registered' };
export type Send = (
  request: UploadRequest,
  state: Registered,
  viaRelay: boolean,
  signal: AbortSignal,
) => Promise<ProtocolMessageCertificate>;

const RS2 = 'RS2';

export const createSending = ({ walrus, codec, warn, clock, ...init }: SendingInit): Send => {
  /** To the nodes, all at once. Enough of them suffice: the slow ones are not waited for. */
  const sendToNodes = async (
    request: UploadRequest,
    state: Registered,
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
    await Promise.race([all, sleep(clock, init.stragglerMs)]);
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
    { blobId, deletable, objectId, digest, nonce }: Registered,
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

  return async (request, state, viaRelay, signal) => {
    if (viaRelay)
      try {
        return await bounded(
          {
            timeoutMs: init.uploadTimeoutMs / 2,
            clock,
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
};
