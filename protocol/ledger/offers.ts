/**
 * @module What is given or sold for reading a run's models: offers with passes and subscriptions, time locks. Thin over
 * `floe::access`; prices are paid exactly, in one transaction with what they buy.
 */
import { bcs } from '@mysten/sui/bcs';
import type { Transaction } from '@mysten/sui/transactions';
import { FloeError } from '../errors.ts';
import type { Executed, Sender } from '../sui/transactions.ts';
import { capOf, readRun, readTyped, type Registry } from './registry.ts';

const OfferObject = bcs.struct('Offer', {
  id: bcs.Address,
  version: bcs.u64(),
  run: bcs.Address,
  beneficiary: bcs.Address,
  passPrice: bcs.u64(),
  periodPrice: bcs.u64(),
  periodMs: bcs.u64(),
  open: bcs.bool(),
  revoked: bcs.vector(bcs.Address),
});
const SubscriptionObject = bcs.struct('Subscription', {
  id: bcs.Address,
  offer: bcs.Address,
  expiresMs: bcs.u64(),
});

/** Prices in MIST. */
export interface Offer {
  readonly id: string;
  readonly run: string;
  readonly beneficiary: string;
  readonly passPrice: bigint;
  readonly periodPrice: bigint;
  readonly periodMs: number;
  readonly open: boolean;
  /** Ids of passes that are good no more. */
  readonly revoked: readonly string[];
}

/** What a transaction made, and its object. */
export interface Made extends Executed {
  readonly id: string;
}

const made = (executed: Executed, type: string): Made => {
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
    revoked: found.revoked,
  };
};

/** @throws FloeError `usage` when there is no such subscription */
export const readSubscription = async (
  registry: Registry,
  objectId: string,
): Promise<{ readonly id: string; readonly offer: string; readonly expiresMs: number }> => {
  const content = await readTyped(registry, 'access::Subscription', objectId);
  const found = SubscriptionObject.parse(content);
  return { id: found.id, offer: found.offer, expiresMs: Number(found.expiresMs) };
};

/** Terms on which a run's models are read; `beneficiary` is paid. */
export const createOffer = async (
  registry: Registry,
  sender: Sender,
  terms: Pick<Offer, 'run' | 'beneficiary' | 'passPrice' | 'periodPrice' | 'periodMs'>,
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

/** Gives a pass away; its owner may sell it on. */
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

/** @returns undefined when it was revoked already */
export const revokePass = async (
  registry: Registry,
  sender: Sender,
  offer: Offer,
  pass: string,
): Promise<Executed | undefined> =>
  offer.revoked.includes(pass)
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
    const pass = transaction.moveCall({
      target: `${packageId}::access::buy_pass`,
      arguments: [transaction.object(offer.id), transaction.object(payment)],
    });
    transaction.transferObjects([pass], sender.address);
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

/** @param opensMs milliseconds since 1970; from then on everybody may read what was sealed under the lock */
export const createTimeLock = async (
  registry: Registry,
  sender: Sender,
  objectId: string,
  opensMs: number,
): Promise<Made> => {
  const run = await readRun(registry, objectId);
  const cap = await capOf(registry, sender.address, run.id);
  const executed = await sender.execute((transaction) => {
    transaction.moveCall({
      target: `${registry.packageId}::access::create_time_lock`,
      arguments: [
        transaction.object(cap),
        transaction.object(run.id),
        transaction.pure.u64(opensMs),
      ],
    });
  });
  return made(executed, 'access::TimeLock');
};
