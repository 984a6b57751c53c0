/**
 * @module What is given or sold for reading a run's models, by object ids: offers, passes,
 * subscriptions, time locks, and who is granted access or refused it. What `floe pass`,
 * `floe grant` and `floe revoke` do.
 */
import { FloeError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { ALL_ATTEMPTS, type AttemptRange } from '../spec/bounds.ts';
import { showCoins } from './cost.ts';
import type { NetworkConfig } from './config.ts';
import { registryOf, senderOf, type OnRetry } from './registry.ts';
import * as offers from './sui/offers.ts';
import { issueReceipt, receiptsOf, type Receipt } from './sui/receipts.ts';
import { changeAccess, type AccessChange, type Registry } from './sui/registry.ts';
import type { Executed, Sender } from './sui/transactions.ts';

export interface OfferTerms {
  /** Object id. */
  readonly run: string;
  /** MIST. */
  readonly passPrice: bigint;
  readonly periodPrice: bigint;
  /** Length of a period, ms. */
  readonly periodMs: number;
  /** The address that is paid. Default: the address that makes the offer. */
  readonly beneficiary?: string | undefined;
  readonly attempts?: AttemptRange | undefined;
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
  /**
   * Issues the receipt of a survivor of a round; it goes to the survivor. The object's id alone
   * where it was issued already.
   */
  issueReceipt(
    run: string,
    attempt: number,
    member: string,
  ): Promise<offers.Made | { readonly id: string }>;
}

const requireAffordable = (price: bigint, most: bigint): void => {
  if (price > most)
    throw new FloeError(
      'usage',
      `--at-most: the price is ${showCoins(price)} SUI, at most ${showCoins(most)} were allowed`,
    );
};

/** u64 of Move. */
const MAX_AMOUNT = 2n ** 64n - 1n;

/** @throws FloeError `usage` naming the amount */
const requireAmounts = (amounts: Readonly<Record<string, bigint | number>>): void => {
  for (const [name, amount] of Object.entries(amounts))
    if (amount < 0 || amount > MAX_AMOUNT || Number.isNaN(Number(amount)))
      throw new FloeError('usage', `${name}: expected 0 to ${MAX_AMOUNT}, got ${amount}`);
};

const subscribe = async (
  registry: Registry,
  sender: Sender,
  id: string,
  atMost: bigint,
  renew: string | undefined,
): ReturnType<Passes['subscribe']> => {
  requireAmounts({ atMost });
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

const passesWith = (registry: Registry, sender: Sender): Passes => {
  const read = (id: string): Promise<offers.Offer> => offers.readOffer(registry, id);
  return {
    address: sender.address,
    offer: async ({ beneficiary = sender.address, attempts = ALL_ATTEMPTS, ...terms }) => {
      const { passPrice, periodPrice, periodMs } = terms;
      requireAmounts({ passPrice, periodPrice, periodMs });
      return offers.createOffer(registry, sender, { ...terms, beneficiary, ...attempts });
    },
    close: async (offer) => offers.closeOffer(registry, sender, await read(offer)),
    give: async (offer, holder) => offers.givePass(registry, sender, await read(offer), holder),
    revoke: async (offer, pass) => offers.revokePass(registry, sender, await read(offer), pass),
    lock: (run, lock) => offers.addTimeLock(registry, sender, run, lock),
    change: (run, change) => changeAccess(registry, sender, run, change),
    transfer: (pass, holder) => offers.transferPass(registry, sender, pass, holder),
    buy: async (id, atMost) => {
      requireAmounts({ atMost });
      const offer = await read(id);
      requireAffordable(offer.passPrice, atMost);
      return { ...(await offers.buyPass(registry, sender, offer)), price: offer.passPrice };
    },
    subscribe: (offer, atMost, renew) => subscribe(registry, sender, offer, atMost, renew),
    issueReceipt: (run, attempt, member) => issueReceipt(registry, sender, run, attempt, member),
  };
};

export interface PassesOptions {
  /** Names the configuration in errors. */
  readonly from?: string | undefined;
  /** Told of each attempt of a transaction that failed. */
  readonly onRetry?: OnRetry | undefined;
}

/** @throws FloeError `spec_invalid` when the configuration names no Floe package */
export const openPasses = async (
  network: NetworkConfig,
  identity: Identity,
  { from, onRetry }: PassesOptions = {},
): Promise<Passes> => {
  const registry = registryOf(network, from);
  return passesWith(registry, await senderOf(registry, identity, onRetry));
};

/** What is for sale for the models of a run. */
export interface ForSale {
  readonly offers: readonly offers.Offer[];
  /** From when everybody may read which models. */
  readonly locks: readonly offers.TimeLock[];
}

/** @param run its object id @throws FloeError `usage`, `spec_invalid`, `ledger_unavailable` */
export const listOffers = async (
  network: NetworkConfig,
  run: string,
  { from }: PassesOptions = {},
): Promise<ForSale> => {
  const registry = registryOf(network, from);
  return {
    offers: await offers.offersOf(registry, run),
    locks: await offers.timeLocksOf(registry, run),
  };
};

/** @param run its object id @throws FloeError `usage`, `spec_invalid`, `ledger_unavailable` */
export const listReceipts = (
  network: NetworkConfig,
  run: string,
  member: string,
  { from }: PassesOptions = {},
): Promise<Receipt[]> => receiptsOf(registryOf(network, from), member, run);
