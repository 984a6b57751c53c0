/**
 * @module A WalrusClient for a network configuration. It is built with explicit object ids, so that
 * the SDK's check of the network's label does not apply and any network will do.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { WalrusClient } from '@mysten/walrus';
import { storageScheme, type NetworkConfig } from '../config.ts';

/**
 * MIST for one upload through a relay that asks for a tip and for which no limit was configured.
 */
const TIP_LIMIT = 10_000_000;
const NODE_TIMEOUT_MS = 8_000;
const RELAY_TIMEOUT_MS = 60_000;

/** The SDK wants a label; nothing of what Floe calls depends on it. */
export const suiClientOf = ({ rpcUrl }: NetworkConfig): SuiGrpcClient =>
  new SuiGrpcClient({ network: 'custom', baseUrl: rpcUrl });

export const walrusClientOf = (
  network: NetworkConfig,
  suiClient: ClientWithCoreApi,
): WalrusClient => {
  const { systemObjectId, stakingPoolId, relayUrl, relayTipLimit } = network.walrus;
  return new WalrusClient({
    suiClient,
    packageConfig: { systemObjectId, stakingPoolId },
    storageNodeUrlScheme: storageScheme(network),
    storageNodeClientOptions: { timeout: NODE_TIMEOUT_MS },
    ...(relayUrl === undefined
      ? {}
      : {
          uploadRelay: {
            host: relayUrl,
            timeout: RELAY_TIMEOUT_MS,
            sendTip: { max: relayTipLimit ?? TIP_LIMIT },
          },
        }),
  });
};
