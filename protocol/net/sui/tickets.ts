/**
 * @module Which of its passes and subscriptions a reader shows: the one that it names, or the best
 * that it owns. The choice only saves asking with one that cannot help; whether a ticket opens
 * anything is for the policy to say.
 */
import {
  isRevoked,
  passesOf,
  readOffer,
  readPass,
  readSubscription,
  subscriptionsOf,
  type Offer,
} from './offers.ts';
import { readRun, type Registry } from './registry.ts';
import type { Ticket } from '../seal/identity.ts';

/** Objects by id; what is not named is looked for among what the reader owns. */
export interface Holdings {
  readonly pass?: string | undefined;
  readonly subscription?: string | undefined;
}

export interface TicketQuery {
  readonly registry: Registry;
  /** Sui address of the reader. */
  readonly owner: string;
  /** Object id. */
  readonly run: string;
  readonly attempt: number;
  readonly holdings: Holdings;
}

interface Candidate {
  readonly id: string;
  readonly offer: string;
  /** Among equally good ones the largest is shown. */
  readonly rank: number;
}

/** The best of the candidates that belong to an offer of the run. */
const best = async (
  { registry, run, attempt }: TicketQuery,
  candidates: readonly Candidate[],
  isGood: (offer: Offer, candidate: Candidate) => Promise<boolean>,
): Promise<Ticket | undefined> => {
  // Most readers own none: then nothing else is asked.
  const known = candidates.length === 0 ? [] : (await readRun(registry, run)).offers;
  const owned = candidates.filter(({ offer }) => known.includes(offer));
  const ids = [...new Set(owned.map(({ offer }) => offer))];
  const offers = await Promise.all(ids.map((id) => readOffer(registry, id)));
  const fits = async (candidate: Candidate): Promise<boolean> => {
    const offer = offers.find(({ id }) => id === candidate.offer);
    const covers = offer !== undefined && attempt >= offer.first && attempt <= offer.last;
    return covers && isGood(offer, candidate);
  };
  const judged = await Promise.all(
    owned.map(async (candidate) => ({ ...candidate, fits: Number(await fits(candidate)) })),
  );
  const [first] = judged.toSorted((a, b) => b.fits - a.fits || b.rank - a.rank);
  return first && { object: first.id, offer: first.offer };
};

/** @throws FloeError `usage` when the named object is no pass, `ledger_unavailable` */
const passTicket = async (query: TicketQuery): Promise<Ticket | undefined> => {
  const { registry, owner, holdings } = query;
  if (holdings.pass !== undefined) {
    const { id, offer } = await readPass(registry, holdings.pass);
    return { object: id, offer };
  }
  const passes = await passesOf(registry, owner);
  return best(
    query,
    passes.map((pass) => ({ ...pass, rank: 0 })),
    async (offer, { id }) => !(await isRevoked(registry, offer, id)),
  );
};

/** @throws FloeError `usage` when the named object is no subscription, `ledger_unavailable` */
const subscriptionTicket = async (query: TicketQuery): Promise<Ticket | undefined> => {
  const { registry, owner, holdings } = query;
  if (holdings.subscription !== undefined) {
    const { id, offer } = await readSubscription(registry, holdings.subscription);
    return { object: id, offer };
  }
  const subscriptions = await subscriptionsOf(registry, owner);
  return best(
    query,
    subscriptions.map((each) => ({ ...each, rank: each.expiresMs })),
    async () => true,
  );
};

/** How a ticket of each kind is found; `undefined` when the reader has none. */
export const TICKETS = { pass: passTicket, subscription: subscriptionTicket } as const;
