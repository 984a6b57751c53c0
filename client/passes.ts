/**
 * @module Offers, passes, subscriptions, time locks, grants and receipts of a run on a network. The
 * first call loads the SDKs.
 */
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { ForSale, Passes, PassesOptions } from '../protocol/net/passes.ts';
import type { Receipt } from '../protocol/net/sui/receipts.ts';
import type { Identity } from '../protocol/ports/identity.ts';

/**
 * @param identity who pays and signs @throws FloeError `spec_invalid` when the configuration names
 * no Floe package
 */
export const openPasses = async (
  network: NetworkConfig,
  identity: Identity,
  options?: PassesOptions,
): Promise<Passes> => {
  const passes = await import('../protocol/net/passes.ts');
  return passes.openPasses(network, identity, options);
};

/** The offers and time locks for the models of the run with this object id. Needs no key. */
export const listOffers = async (
  network: NetworkConfig,
  run: string,
  options?: PassesOptions,
): Promise<ForSale> => {
  const passes = await import('../protocol/net/passes.ts');
  return passes.listOffers(network, run, options);
};

/** Receipts of one participant of the run with this object id. It takes no key. */
export const listReceipts = async (
  network: NetworkConfig,
  run: string,
  member: string,
  options?: PassesOptions,
): Promise<readonly Receipt[]> => {
  const passes = await import('../protocol/net/passes.ts');
  return passes.listReceipts(network, run, member, options);
};
