/**
 * @module The audiences of a run's keys: the name under which Seal keeps a key for each, as the
 * Move package reads it, and the call of its policy that key servers evaluate. A name is [run
 * 32][attempt u64 LE][role 1][nonce 16]: the role says which policy decides, the nonce binds the
 * name to what the key is for. A name holds the run and nothing that is sold later, so that a model
 * is sealed before the first offer is made.
 */
import { Transaction, type TransactionArgument } from '@mysten/sui/transactions';
import { fromHex, normalizeSuiAddress } from '@mysten/sui/utils';
import { toHex } from '../../bytes.ts';
import { purposeHash, type KeyPurpose } from '../../ports/access-gate.ts';
import type { Audience } from '../../model/key-envelopes.ts';

/** An object of the reader that lets it in, and the offer on whose terms. */
export interface Ticket {
  readonly object: string;
  readonly offer: string;
}

/** Arguments of a policy in addition to the name of the key. */
export interface Shown {
  /** Object id of the run. */
  readonly run: string;
  readonly ticket?: Ticket | undefined;
}

type Show = (transaction: Transaction, shown: Shown) => TransactionArgument[];

const run: Show = (transaction, shown) => [transaction.object(shown.run)];
const runAndClock: Show = (transaction, shown) => [
  transaction.object(shown.run),
  transaction.object.clock(),
];
const ticket: Show = (transaction, shown) =>
  shown.ticket === undefined
    ? []
    : [transaction.object(shown.ticket.offer), transaction.object(shown.ticket.object)];
const ticketAndClock: Show = (transaction, shown) => [
  ...ticket(transaction, shown),
  transaction.object.clock(),
];

/** The audience of a name, the policy that admits it, and the arguments of the policy. */
export const AUDIENCES = {
  /** Members of the attempt's frozen cohort and of earlier ones. */
  cohort: { role: 0, policy: 'seal_approve_cohort', show: run },
  /** The run's auditors, those of the specification and others; the coordinator is one of them. */
  auditor: { role: 1, policy: 'seal_approve_auditor', show: run },
  pass: { role: 2, policy: 'seal_approve_pass', show: ticket },
  subscription: { role: 3, policy: 'seal_approve_subscription', show: ticketAndClock },
  /** Everybody, once a lock has opened. */
  'time-lock': { role: 4, policy: 'seal_approve_time', show: runAndClock },
  /** Compute nodes with a grant. */
  compute: { role: 5, policy: 'seal_approve_compute', show: runAndClock },
  /**
   * Of an attempt's bundle, once the survivors are frozen: aggregator, auditors, cohort, and the
   * cohorts on the attempt's model.
   */
  unmask: { role: 6, policy: 'seal_approve_unmask', show: run },
} as const satisfies Record<Audience, { role: number; policy: string; show: Show }>;

const NONCE_BYTES = 16;

/** @param object the run @param attempt whose cohort; for all other audiences the purpose's own */
export const sealName = (
  object: string,
  attempt: number,
  audience: Audience,
  purpose: KeyPurpose,
): Uint8Array => {
  const name = new Uint8Array(32 + 8 + 1 + NONCE_BYTES);
  name.set(fromHex(normalizeSuiAddress(object).slice(2)));
  new DataView(name.buffer).setBigUint64(32, BigInt(attempt), true);
  name[40] = AUDIENCES[audience].role;
  name.set(purposeHash(purpose).subarray(0, NONCE_BYTES), 41);
  return name;
};

/** The transaction that key servers evaluate: one call of the policy. */
export const approval = (
  packageId: string,
  audience: Audience,
  name: Uint8Array,
  shown: Shown,
): Transaction => {
  const transaction = new Transaction();
  const { policy, show } = AUDIENCES[audience];
  transaction.moveCall({
    target: `${packageId}::policy::${policy}`,
    arguments: [transaction.pure.vector('u8', name), ...show(transaction, shown)],
  });
  return transaction;
};

/** As the SDK wants it. */
export const nameHex = (name: Uint8Array): string => toHex(name);
