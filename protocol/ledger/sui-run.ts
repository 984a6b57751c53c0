/**
 * @module The run on chain: found by its coordinator's address and the hash of its specification, so that nobody has to be told
 * an object id; created once by the coordinator.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { withRetry } from '../sui/bounds.ts';
import type { Sender } from '../sui/transactions.ts';
import { objectContents, ownedObjects } from './chain.ts';
import { Run, RunCap } from './sui-layout.ts';

export interface SuiRun {
  /** Object ids. */
  readonly run: string;
  readonly cap: string;
  /** Of the table that holds the rounds. */
  readonly rounds: string;
}

export interface RunReader {
  readonly client: ClientWithCoreApi;
  readonly packageId: string;
  /** Sui address of the run's coordinator. */
  readonly owner: string;
  readonly timeoutMs?: number;
}

/** The rights to write to runs that an address owns. @throws FloeError `ledger_unavailable` */
export const capsOf = async (reader: RunReader): Promise<(typeof RunCap.$inferType)[]> => {
  const type = `${reader.packageId}::run::RunCap`;
  return (await ownedObjects({ ...reader, type })).map((content) => RunCap.parse(content));
};

/**
 * The run that the coordinator has made of this specification. Who makes it is the only one who can have the right to it.
 * @param specHash 32 bytes
 * @returns undefined when the coordinator has not created it
 * @throws FloeError `verification_failed` when it made two, of which it could show now one and now the other
 */
export const findRun = async (
  reader: RunReader,
  specHash: Uint8Array,
): Promise<SuiRun | undefined> => {
  const caps = await capsOf(reader);
  const ids = caps.map(({ run }) => run);
  const what = 'looking for the run';
  const contents = await objectContents(reader.client, what, ids, reader.timeoutMs);
  const found = contents.flatMap((content, index): SuiRun[] => {
    const cap = caps[index];
    // A right may be seen before the run that it is for.
    if (content instanceof Error || cap === undefined) return [];
    const run = Run.parse(content);
    return equalBytes(Uint8Array.from(run.specHash), specHash)
      ? [{ run: run.id, cap: cap.id, rounds: run.rounds.id }]
      : [];
  });
  if (found.length > 1)
    throw new FloeError(
      'verification_failed',
      `expected one run of ${toHex(specHash)} by ${reader.owner}, found ${found.map(({ run }) => run).join(', ')}`,
    );
  return found[0];
};

export interface RunFacts {
  readonly specHash: Uint8Array;
  readonly name: string;
  /** Addresses that the auditors' policy admits from the start, the coordinator's included. */
  readonly auditors: readonly string[];
}

/** Waits for a fresh object to be seen by reads. */
const FIND_RETRIES = 8;

/**
 * The run, created with its auditors when it is not there. Who is an auditor after that is its owner's to change: one that was
 * revoked stays so, however often the coordinator starts.
 * @throws FloeError `ledger_unavailable`, `transaction_failed`
 */
export const ensureRun = async (
  reader: RunReader,
  sender: Sender,
  { specHash, name, auditors }: RunFacts,
): Promise<SuiRun> => {
  const found = await findRun(reader, specHash);
  if (found !== undefined) return found;
  await sender.execute((transaction) => {
    const { pure } = transaction;
    transaction.moveCall({
      target: `${reader.packageId}::run::create_and_keep`,
      arguments: [
        pure.string(name),
        pure.vector('u8', specHash),
        pure.address(sender.address),
        pure.vector('address', [...auditors]),
      ],
    });
  });
  return withRetry({ retries: FIND_RETRIES }, async () => {
    const created = await findRun(reader, specHash);
    if (created === undefined)
      throw new FloeError('ledger_unavailable', 'the new run cannot be seen yet');
    return created;
  });
};
