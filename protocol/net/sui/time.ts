/**
 * @module The time of a Sui chain: the timestamp of its newest checkpoint.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { FloeError } from '../../errors.ts';

/**
 * Milliseconds since the epoch. @throws FloeError `ledger_unavailable` where the client or the node
 * does not tell
 */
export const chainTime = async (
  client: ClientWithCoreApi,
  signal?: AbortSignal,
): Promise<number> => {
  if (!(client instanceof SuiGrpcClient))
    throw new FloeError('ledger_unavailable', 'this client does not tell the time of the chain');
  const { response } = await client.ledgerService.getServiceInfo(
    {},
    signal === undefined ? {} : { abort: signal },
  );
  const { timestamp } = response;
  if (timestamp === undefined)
    throw new FloeError('ledger_unavailable', 'the node does not tell the time of the chain');
  return Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
};
