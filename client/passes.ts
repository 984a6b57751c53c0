/**
 * @module Offers, passes, subscriptions, time locks, grants and receipts of a run on a network. The
 * first call loads the SDKs.
 */
import { showCoins } from '../protocol/net/cost.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { ForSale, Passes, PassesOptions } from '../protocol/net/passes.ts';
import type { Receipt } from '../protocol/net/sui/receipts.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { ALL_ATTEMPTS, type AttemptRange } from '../protocol/spec/bounds.ts';

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

export const showAttempts = ({ first, last }: AttemptRange): string =>
  last >= ALL_ATTEMPTS.last ? `attempt ${first} on` : `attempts ${first} to ${last}`;

const MS_PER_DAY = 86_400_000;

/** Offers and time locks as the lines that `floe pass list` prints. */
export const linesForSale = ({ offers, locks }: ForSale): readonly string[] => [
  ...offers.map(
    (offer) =>
      `offer ${offer.id}: ${showAttempts(offer)}, pass ${showCoins(offer.passPrice)} SUI, ` +
      `${showCoins(offer.periodPrice)} SUI for ${offer.periodMs / MS_PER_DAY} days${offer.open ? '' : ', closed'}`,
  ),
  ...locks.map(
    (lock) => `${showAttempts(lock)} open for everybody at ${new Date(lock.opensMs).toISOString()}`,
  ),
  ...(offers.length + locks.length === 0 ? ['no offers and no time locks'] : []),
];
