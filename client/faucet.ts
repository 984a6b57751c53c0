/** @module Coins from a network's faucet; what talks to the chain is loaded when it is asked. */
import type { RequestedCoins } from '../protocol/net/request-coins.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';

export type { RequestedCoins } from '../protocol/net/request-coins.ts';

/**
 * Asks the faucet of a network once for SUI and WAL.
 *
 * @param address of Sui: `0x` and 64 hex digits
 * @param options `from`: what messages call the network's file
 * @throws FloeError `faucet_missing`, `faucet_refused`, `ledger_unavailable`
 */
export const requestCoins = async (
  network: NetworkConfig,
  address: string,
  options: { readonly from?: string } = {},
): Promise<RequestedCoins> => {
  const net = await import('../protocol/net/request-coins.ts');
  return net.requestCoins(network, address, options);
};
