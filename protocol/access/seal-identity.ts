/**
 * @module The names under which Seal keeps a run's keys, as the Move package reads them: [object 32][round u64 LE][role 1]
 * [nonce 16]. The role says which policy decides; the nonce binds the name to what the key is for.
 */
import { Transaction } from '@mysten/sui/transactions';
import { fromHex, normalizeSuiAddress } from '@mysten/sui/utils';
import { sha256, toHex, utf8 } from '../bytes.ts';
import { encodeCbor } from '../cbor.ts';
import type { KeyPurpose } from './access-gate.ts';

/** Who a name is for, and the policy that lets them in. */
export const AUDIENCES = {
  /** Members of the round's frozen cohort. */
  cohort: { role: 0, policy: 'seal_approve_cohort' },
  /** The run's auditors; the coordinator is one of them. */
  auditor: { role: 1, policy: 'seal_approve_auditor' },
} as const;

export type Audience = keyof typeof AUDIENCES;

const NONCE_BYTES = 16;

/** A hash of everything the key is for, so that a key of one purpose is never one of another. */
export const purposeHash = (purpose: KeyPurpose): Uint8Array =>
  sha256(
    utf8('floe/key-purpose/v1'),
    encodeCbor({ run: purpose.run, round: purpose.round, role: purpose.role }),
  );

/** @param object the Run @param round whose cohort; for auditors the purpose's own */
export const sealName = (
  object: string,
  round: number,
  audience: Audience,
  purpose: KeyPurpose,
): Uint8Array => {
  const name = new Uint8Array(32 + 8 + 1 + NONCE_BYTES);
  name.set(fromHex(normalizeSuiAddress(object).slice(2)));
  new DataView(name.buffer).setBigUint64(32, BigInt(round), true);
  name[40] = AUDIENCES[audience].role;
  name.set(purposeHash(purpose).subarray(0, NONCE_BYTES), 41);
  return name;
};

/** The transaction that key servers evaluate: one call of the policy. */
export const approval = (
  packageId: string,
  runObject: string,
  audience: Audience,
  name: Uint8Array,
): Transaction => {
  const transaction = new Transaction();
  transaction.moveCall({
    target: `${packageId}::policy::${AUDIENCES[audience].policy}`,
    arguments: [transaction.pure.vector('u8', name), transaction.object(runObject)],
  });
  return transaction;
};

/** As the SDK wants it. */
export const nameHex = (name: Uint8Array): string => toHex(name);
