/**
 * @module What is given or sold for reading a run's models, by object ids: offers, passes,
 * subscriptions, time locks, and who is granted access or refused it. What `floe pass`,
 * `floe grant` and `floe revoke` do.
 */
import { FloeError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { MAX_ROUND } from '../spec/run-spec.ts';
import { showCoins } from './cost.ts';
import type { NetworkConfig } from './config.ts';
import { registryOf, senderOf } from './registry.ts';
import * as offers from './sui/offers.ts';
import { changeAccess, type AccessChange, type Registry } from './sui/registry.ts';
import type { Executed, Sender } from './sui/transactions.ts';

/** Rounds, both included; those of any run where they are left out, the ones to come as well. */
export interface Rounds {
  readonly first: number;
  readonly last: number;
}
export const ALL_ROUNDS: Rounds = { first: 0, last: MAX_ROUND };

export interface OfferTerms {
  /** Object id. */
  readonly run: string;
  /** MIST. */
  readonly passPrice: bigint;
  readonly periodPrice: bigint;
  /** Length of a period, ms. */
  readonly periodMs: number;
  /** Who is paid. Default: who makes the offer. */
  readonly beneficiary?: string | undefined;
  readonly rounds?: Rounds | undefined;
}

/** What was executed; undefined where the chain said so already and nothing was paid. */
export type Change = Promise<Executed | undefined>;

/**
 * One identity's dealings. Every method throws FloeError `usage` for an object that is not there,
 * `access_denied`, `ledger_unavailable`.
 */
export interface Passes {
  readonly address: string;
  /** The run's owner. */
  offer(terms: OfferTerms): Promise<offers.Made>;
  close(offer: string): Change;
  give(offer: string, holder: string): Promise<offers.Made>;
  revoke(offer: string, pass: string): Change;
  lock(run: string, lock: offers.TimeLock): Change;
  /** An auditor, a member or a compute node, admitted or turned away. */
  change(run: string, change: AccessChange): Change;
  /** A pass's holder. */
  transfer(pass: string, holder: string): Change;
  /** Anybody. @param atMost MIST: a dearer offer is refused with `usage` */
  buy(offer: string, atMost: bigint): Promise<offers.Made & { readonly price: bigint }>;
  /** A new period, or one more of `renew`. */
  subscribe(
    offer: string,
    atMost: bigint,
    renew?: string,
  ): Promise<offers.Made & { readonly price: bigint; readonly expiresMs: number }>;
}

const requireAffordable = (price: bigint, most: bigint): void => {
  if (price > most)
    throw new FloeError(
      'usage',
      `--at-most: the offer asks for ${showCoins(price)} SUI, at most ${showCoins(most)} were allowed`,
    );
};

const subscribe = async (
  registry: Registry,
  sender: Sender,
  id: string,
  atMost: bigint,
  renew: string | undefined,
): ReturnType<Passes['subscribe']> => {
  const offer = await offers.readOffer(registry, id);
  requireAffordable(offer.periodPrice, atMost);
  if (renew !== undefined) {
    const known = await offers.readSubscription(registry, renew);
    if (known.offer !== offer.id)
      throw new FloeError('usage', `--renew: ${renew} belongs to the offer ${known.offer}`);
  }
  const made = await offers.payPeriod(registry, sender, offer, renew);
  const { expiresMs } = await offers.readSubscription(registry, made.id);
  return { ...made, price: offer.periodPrice, expiresMs };
};

export const passesWith = (registry: Registry, sender: Sender): Passes => {
  const read = (id: string): Promise<offers.Offer> => offers.readOffer(registry, id);
  return {
    address: sender.address,
    offer: ({ beneficiary = sender.address, rounds = ALL_ROUNDS, ...terms }) =>
      offers.createOffer(registry, sender, { ...terms, beneficiary, ...rounds }),
    close: async (offer) => offers.closeOffer(registry, sender, await read(offer)),
    give: async (offer, holder) => offers.givePass(registry, sender, await read(offer), holder),
    revoke: async (offer, pass) => offers.revokePass(registry, sender, await read(offer), pass),
    lock: (run, lock) => offers.addTimeLock(registry, sender, run, lock),
    change: (run, change) => changeAccess(registry, sender, run, change),
    transfer: (pass, holder) => offers.transferPass(registry, sender, pass, holder),
    buy: async (id, atMost) => {
      const offer = await read(id);
      requireAffordable(offer.passPrice, atMost);
      return { ...(await offers.buyPass(registry, sender, offer)), price: offer.passPrice };
    },
    subscribe: (offer, atMost, renew) => subscribe(registry, sender, offer, atMost, renew),
  };
};

/** @throws FloeError `spec_invalid` when the configuration names no Floe package */
export const openPasses = async (network: NetworkConfig, identity: Identity): Promise<Passes> => {
  const registry = registryOf(network);
  return passesWith(registry, await senderOf(registry, identity));
};
