/**
 * @module Coins from a network's faucet, where it has one.
 */
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';

/** Asks once. @param host address of the faucet @throws Error when it refuses or does not answer */
export const askFaucet = async (host: string, recipient: string): Promise<void> => {
  await requestSuiFromFaucetV2({ host, recipient });
};
