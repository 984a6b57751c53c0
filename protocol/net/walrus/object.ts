/**
 * @module A blob's object on Sui: who pays for the blob owns it, and it says until which epoch the
 * blob is kept. Layout of Walrus's contract (`blob.move`, `storage_resource.move`).
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { bcs } from '@mysten/sui/bcs';
import { FloeError, installationFault, type ErrorCode } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from '../sui/bounds.ts';

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

const TIMEOUT_MS = 20_000;

export const UNAVAILABLE: ErrorCode = 'store_unavailable';

export const storeError = (thrown: unknown, what: string): FloeError =>
  thrown instanceof FloeError
    ? thrown
    : (installationFault(thrown) ??
      new FloeError(UNAVAILABLE, `${what}: ${(thrown as Error).message}`, {}, { cause: thrown }));

/** As it is on chain now. @throws FloeError `store_unavailable` */
export const readBlobObject = async (
  client: ClientWithCoreApi,
  objectId: string,
  clock?: Clock,
): Promise<typeof BlobObject.$inferType> =>
  withRetry({ retries: 4, clock }, async () => {
    try {
      const include = { content: true } as const;
      const bounds = { timeoutMs: TIMEOUT_MS, clock, code: UNAVAILABLE, what: 'the chain' };
      const { object } = await bounded(bounds, (signal) =>
        client.core.getObject({ objectId, include, signal }),
      );
      return BlobObject.parse(object.content);
    } catch (thrown) {
      throw storeError(thrown, `reading blob object ${objectId}`);
    }
  });
