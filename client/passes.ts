/**
 * @module Offers, passes, subscriptions, time locks and grants of a run on a network. The SDKs are
 * loaded with the first call.
 */
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { Passes } from '../protocol/net/passes.ts';
import type { Identity } from '../protocol/ports/identity.ts';

/**
 * @param identity who pays and signs @throws FloeError `spec_invalid` when the configuration names
 * no Floe package
 */
export const openPasses = async (network: NetworkConfig, identity: Identity): Promise<Passes> => {
  const passes = await import('../protocol/net/passes.ts');
  return passes.openPasses(network, identity);
};
