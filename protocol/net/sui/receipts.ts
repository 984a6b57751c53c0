/**
 * @module Receipts of contribution on Sui: an object that cannot be given away, which says that its
 * owner's update counted in an attempt. The survivors stand on chain already, so a receipt needs
 * nobody's leave and anybody may pay for it.
 */
import { toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { Sender } from './transactions.ts';
import { dynamicField, ownedObjects } from './chain.ts';
import { made, type Made } from './offers.ts';
import { readRun, type Registry } from './registry.ts';
import { ObjectId, Receipt as ReceiptObject, ReceiptKey, Attempt, u64 } from './layout.ts';

export interface Receipt {
  readonly id: string;
  readonly run: string;
  readonly attempt: number;
  /** Sui address of the participant. */
  readonly member: string;
  /** Hex; Merkle root over the records of the uploads that counted, the member's among them. */
  readonly dataCommitment: string;
}

/** Receipts of an address, of all runs or of one. @throws FloeError `ledger_unavailable` */
export const receiptsOf = async (
  { client, packageId }: Registry,
  owner: string,
  run?: string,
): Promise<Receipt[]> => {
  const type = `${packageId}::model::Receipt`;
  const receipts = (await ownedObjects({ client, owner, type })).map((content): Receipt => {
    const found = ReceiptObject.parse(content);
    return {
      ...found,
      attempt: Number(found.attempt),
      dataCommitment: toHex(Uint8Array.from(found.dataCommitment)),
    };
  });
  return receipts
    .filter((receipt) => run === undefined || receipt.run === run)
    .toSorted((a, b) => a.attempt - b.attempt);
};

/**
 * Issues the receipt of a survivor; it goes to the survivor, whoever pays.
 * @returns the object's id alone when it was issued already
 * @throws FloeError `usage` when there is no such run or `member` is no survivor of the attempt;
 * `ledger_unavailable`; TransactionFailed
 */
export const issueReceipt = async (
  registry: Registry,
  sender: Sender,
  runObject: string,
  attempt: number,
  member: string,
): Promise<Made | { readonly id: string }> => {
  const { client, packageId } = registry;
  const { id: run, attempts } = await readRun(registry, runObject);
  const key = ReceiptKey.serialize([attempt, member]).toBytes();
  const standing = await dynamicField(client, run, `${packageId}::model::ReceiptKey`, key);
  if (standing !== undefined) return { id: ObjectId.parse(standing) };
  const value = await dynamicField(client, attempts.id, 'u64', u64.serialize(attempt).toBytes());
  const survivors = value && Attempt.parse(value).survivors;
  if (survivors?.includes(member) !== true)
    throw new FloeError(
      'usage',
      `expected a survivor of attempt ${attempt}, got ${member}${survivors ? '' : '; its survivors are not frozen'}`,
    );
  const executed = await sender.execute((transaction) => {
    const { object, pure } = transaction;
    transaction.moveCall({
      target: `${packageId}::model::issue_receipt`,
      arguments: [object(run), pure.u64(attempt), pure.address(member)],
    });
  });
  return made(executed, 'model::Receipt');
};
