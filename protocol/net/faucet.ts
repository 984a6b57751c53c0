/**
 * @module Coins from a network's faucet, where it has one: a devnet or testnet.
 */
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';

/** One helping for `address`. @throws what the faucet or the connection to it gives as its reason */
export const askFaucet = async (faucetUrl: string, address: string): Promise<void> => {
  await requestSuiFromFaucetV2({ host: faucetUrl, recipient: address });
};
