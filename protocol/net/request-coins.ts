/**
 * @module SUI and WAL for an address from a network's faucet: one request, and what arrived.
 */
import { FloeError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { publicUrl, type NetworkConfig } from './config.ts';
import { openPurse, type Funds } from './purse.ts';

export interface RequestedCoins {
  readonly address: string;
  /** The faucet, without a user name or a query in its address. */
  readonly faucet: string;
  readonly before: Funds;
  /** What the address owns some seconds later. */
  readonly after: Funds;
}

/**
 * Asks the faucet of the network once. The devnet's gives SUI and WAL, Sui's own give SUI.
 *
 * @param address of Sui: `0x` and 64 hex digits
 * @param from the network's file, for messages
 * @throws FloeError `faucet_missing` on a network without one, `faucet_refused` with its answer,
 * `ledger_unavailable`
 */
export const requestCoins = async (
  network: NetworkConfig,
  address: string,
  { from = 'the network file', clock }: { readonly from?: string; readonly clock?: Clock } = {},
): Promise<RequestedCoins> => {
  const { faucetUrl } = network;
  if (faucetUrl === undefined)
    throw new FloeError('faucet_missing', `${from} names no faucet (faucetUrl)`, { address });
  const { before, after } = await openPurse(network, address, clock).ask();
  return { address, faucet: publicUrl(faucetUrl), before, after };
};
