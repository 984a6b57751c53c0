/**
 * @module What is given or sold for reading a run's models: offers with passes and subscriptions,
 * time locks. Thin over `floe::access`; prices are paid exactly, in one transaction with what they
 * buy.
 */
import type { Transaction } from '@mysten/sui/transactions';
import { FloeError } from '../../errors.ts';
import type { Executed, Sender } from './transactions.ts';
import { dynamicField, ownedObjects } from './chain.ts';
import { capOf, readRun, readTyped, type Registry } from './registry.ts';
import {
  ObjectId,
  Offer as OfferObject,
  Pass as PassObject,
  Subscription as SubscriptionObject,
} from './layout.ts';

/** Prices in MIST. */
export interface Offer {
  readonly id: string;
  readonly run: string;
  readonly beneficiary: string;
  readonly passPrice: bigint;
  readonly periodPrice: bigint;
  readonly periodMs: number;
  /** Rounds whose models it is for, both included. */
  readonly first: number;
  readonly last: number;
  readonly open: boolean;
  /** How many of its passes are good no more, and the table that holds them by id. */
  readonly revoked: number;
  readonly revocations: string;
}

/** What a transaction made, and its object. */
export interface Made extends Executed {
  readonly id: string;
}

/** @param type module and name */
export const made = (executed: Executed, type: string): Made => {
  const [id] = [...executed.created].find(([, found]) => found.endsWith(`::${type}`)) ?? [];
  if (id === undefined) throw new FloeError('internal', `${executed.digest} made no ${type}`);
  return { ...executed, id };
};

/** @throws FloeError `usage` when there is no such offer */
export const readOffer = async (registry: Registry, objectId: string): Promise<Offer> => {
  const found = OfferObject.parse(await readTyped(registry, 'access::Offer', objectId));
  return {
    id: found.id,
    run: found.run,
    beneficiary: found.beneficiary,
    open: found.open,
    passPrice: BigInt(found.passPrice),
    periodPrice: BigInt(found.periodPrice),
    periodMs: Number(found.periodMs),
    first: Number(found.first),
    last: Number(found.last),
    revoked: Number(found.revoked.size),
    revocations: found.revoked.id,
  };
};

/** Whether a pass of the offer is good no more. @throws FloeError `ledger_unavailable` */
export const isRevoked = async (
  { client, ...limits }: Registry,
  { revocations }: Offer,
  pass: string,
): Promise<boolean> => {
  const key = ObjectId.serialize(pass).toBytes();
  return (await dynamicField(client, revocations, '0x2::object::ID', key, limits)) !== undefined;
};

/** Of anybody. */
export interface Pass {
  readonly id: string;
  readonly offer: string;
}
export interface Subscription extends Pass {
  /** Milliseconds since 1970. */
  readonly expiresMs: number;
}

const passFrom = (content: Uint8Array): Pass => PassObject.parse(content);
const subscriptionFrom = (content: Uint8Array): Subscription => {
  const found = SubscriptionObject.parse(content);
  return { ...found, expiresMs: Number(found.expiresMs) };
};

/** @throws FloeError `usage` when there is no such pass */
export const readPass = async (registry: Registry, objectId: string): Promise<Pass> =>
  passFrom(await readTyped(registry, 'access::Pass', objectId));

/** @throws FloeError `usage` when there is no such subscription */
export const readSubscription = async (
  registry: Registry,
  objectId: string,
): Promise<Subscription> =>
  subscriptionFrom(await readTyped(registry, 'access::Subscription', objectId));

const owned = (registry: Registry, owner: string, type: string): Promise<Uint8Array[]> =>
  ownedObjects({ ...registry, owner, type: `${registry.packageId}::access::${type}` });

/** What an address owns, of all offers. @throws FloeError `ledger_unavailable` */
export const passesOf = async (registry: Registry, owner: string): Promise<Pass[]> =>
  (await owned(registry, owner, 'Pass')).map(passFrom);

export const subscriptionsOf = async (registry: Registry, owner: string): Promise<Subscription[]> =>
  (await owned(registry, owner, 'Subscription')).map(subscriptionFrom);

/** Every offer of a run. @throws FloeError `usage` when there is no such run */
export const offersOf = async (registry: Registry, run: string): Promise<Offer[]> => {
  const { offers } = await readRun(registry, run);
  return Promise.all(offers.map((id) => readOffer(registry, id)));
};

/** Terms on which a run's models are read; `beneficiary` is paid. */
export const createOffer = async (
  registry: Registry,
  sender: Sender,
  terms: Omit<Offer, 'id' | 'open' | 'revoked' | 'revocations'>,
): Promise<Made> => {
  const run = await readRun(registry, terms.run);
  const cap = await capOf(registry, sender.address, run.id);
  const executed = await sender.execute((transaction) => {
    const { object, pure } = transaction;
    transaction.moveCall({
      target: `${registry.packageId}::access::create_offer`,
      arguments: [
        object(cap),
        object(run.id),
        pure.address(terms.beneficiary),
        pure.u64(terms.passPrice),
        pure.u64(terms.periodPrice),
        pure.u64(terms.periodMs),
        pure.u64(terms.first),
        pure.u64(terms.last),
      ],
    });
  });
  return made(executed, 'access::Offer');
};

/** A call of the offer's owner. */
const asOwner = async (
  registry: Registry,
  sender: Sender,
  offer: Offer,
  name: string,
  rest: (transaction: Transaction) => ReturnType<Transaction['pure']>[],
): Promise<Executed> => {
  const cap = await capOf(registry, sender.address, offer.run);
  return sender.execute((transaction) => {
    transaction.moveCall({
      target: `${registry.packageId}::access::${name}`,
      arguments: [transaction.object(cap), transaction.object(offer.id), ...rest(transaction)],
    });
  });
};

/** Stops sales; passes and paid periods stay good. @returns undefined when it was closed already */
export const closeOffer = async (
  registry: Registry,
  sender: Sender,
  offer: Offer,
): Promise<Executed | undefined> =>
  offer.open ? asOwner(registry, sender, offer, 'close_offer', () => []) : undefined;

/** Gives a pass away; its owner may give it on. */
export const givePass = async (
  registry: Registry,
  sender: Sender,
  offer: Offer,
  holder: string,
): Promise<Made> =>
  made(
    await asOwner(registry, sender, offer, 'grant_pass', ({ pure }) => [pure.address(holder)]),
    'access::Pass',
  );

/**
 * Hands a pass on; its holder. A pass moves in this way only. @throws FloeError `usage` when the
 * sender holds no such pass
 */
export const transferPass = async (
  registry: Registry,
  sender: Sender,
  pass: string,
  holder: string,
): Promise<Executed> => {
  const held = await passesOf(registry, sender.address);
  if (!held.some(({ id }) => id === pass))
    throw new FloeError('usage', `${sender.address} holds no pass ${pass}`);
  return sender.execute((transaction) => {
    transaction.moveCall({
      target: `${registry.packageId}::access::give_pass`,
      arguments: [transaction.object(pass), transaction.pure.address(holder)],
    });
  });
};

/** @returns undefined when it was revoked already */
export const revokePass = async (
  registry: Registry,
  sender: Sender,
  offer: Offer,
  pass: string,
): Promise<Executed | undefined> =>
  (await isRevoked(registry, offer, pass))
    ? undefined
    : asOwner(registry, sender, offer, 'revoke_pass', ({ pure }) => [pure.id(pass)]);

const requireOpen = (offer: Offer): void => {
  if (!offer.open) throw new FloeError('access_denied', `the offer ${offer.id} is closed`);
};

/** Pays the price of a pass. @throws FloeError `access_denied` when the offer is closed */
export const buyPass = async (
  { packageId }: Registry,
  sender: Sender,
  offer: Offer,
): Promise<Made> => {
  requireOpen(offer);
  const executed = await sender.execute((transaction) => {
    const [payment] = transaction.splitCoins(transaction.gas, [offer.passPrice]);
    transaction.moveCall({
      target: `${packageId}::access::buy_pass`,
      arguments: [transaction.object(offer.id), transaction.object(payment)],
    });
  });
  return made(executed, 'access::Pass');
};

/**
 * Pays for one period: a new subscription, or one more period of the one given.
 * @returns the subscription's id
 * @throws FloeError `access_denied` when the offer is closed
 */
export const payPeriod = async (
  { packageId }: Registry,
  sender: Sender,
  offer: Offer,
  subscription?: string,
): Promise<Made> => {
  requireOpen(offer);
  const executed = await sender.execute((transaction) => {
    const [payment] = transaction.splitCoins(transaction.gas, [offer.periodPrice]);
    transaction.moveCall({
      target: `${packageId}::access::${subscription === undefined ? 'subscribe' : 'renew'}`,
      arguments: [
        transaction.object(offer.id),
        ...(subscription === undefined ? [] : [transaction.object(subscription)]),
        transaction.object(payment),
        transaction.object.clock(),
      ],
    });
  });
  return subscription === undefined
    ? made(executed, 'access::Subscription')
    : { ...executed, id: subscription };
};

/**
 * From `opensMs` (milliseconds since 1970) on everybody may read the models of rounds `first` to
 * `last`.
 */
export interface TimeLock {
  readonly first: number;
  readonly last: number;
  readonly opensMs: number;
}

/** @throws FloeError `usage` when there is no such run */
export const timeLocksOf = async (registry: Registry, run: string): Promise<TimeLock[]> =>
  (await readRun(registry, run)).timeLocks.map((lock) => ({
    first: Number(lock.first),
    last: Number(lock.last),
    opensMs: Number(lock.opensMs),
  }));

/** What is open stays open. @returns undefined when the run has this lock already */
export const addTimeLock = async (
  registry: Registry,
  sender: Sender,
  run: string,
  { first, last, opensMs }: TimeLock,
): Promise<Executed | undefined> => {
  const standing = await timeLocksOf(registry, run);
  const cap = await capOf(registry, sender.address, run);
  if (
    standing.some((lock) => lock.first === first && lock.last === last && lock.opensMs === opensMs)
  )
    return undefined;
  return sender.execute((transaction) => {
    const { object, pure } = transaction;
    transaction.moveCall({
      target: `${registry.packageId}::run::add_time_lock`,
      arguments: [object(cap), object(run), pure.u64(first), pure.u64(last), pure.u64(opensMs)],
    });
  });
};
