/**
 * @module The run on chain: found by its coordinator's address and the hash of its specification,
 * so that nobody has to be told an object id; created once by the coordinator.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { equalBytes, toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { withRetry } from './bounds.ts';
import type { Sender } from './transactions.ts';
import { objectContents, ownedObjects, type ReadLimits } from './chain.ts';
import { Run, RunCap } from './layout.ts';

export interface SuiRun {
  /** Object ids. */
  readonly run: string;
  readonly cap: string;
  /**
   * Of its tables: attempts by number, hashes of models by version, the latest attempt by hash of
   * its model.
   */
  readonly attempts: string;
  readonly models: string;
  readonly latest: string;
}

export interface RunReader extends ReadLimits {
  readonly client: ClientWithCoreApi;
  readonly packageId: string;
  /** Sui address of the run's coordinator. */
  readonly owner: string;
  /** Addresses that the run has to name as auditors that stay. */
  readonly auditors?: readonly string[];
}

interface Agreed {
  readonly agreed: readonly string[];
}

/** The rights to write to runs that an address owns. @throws FloeError `ledger_unavailable` */
export const capsOf = async (
  reader: Omit<RunReader, 'auditors'>,
): Promise<(typeof RunCap.$inferType)[]> => {
  const type = `${reader.packageId}::run::RunCap`;
  return (await ownedObjects({ ...reader, type })).map((content) => RunCap.parse(content));
};

/**
 * The run that the coordinator has made of this specification. Who makes it is the only one who can
 * have the right to it.
 * @param specHash 32 bytes
 * @returns undefined when the coordinator has not created it
 * @throws FloeError `verification_failed` when it made two, of which it could show now one and now
 * the other, or left out an auditor that was agreed
 */
export const findRun = async (
  reader: RunReader,
  specHash: Uint8Array,
): Promise<SuiRun | undefined> => {
  const caps = await capsOf(reader);
  const ids = caps.map(({ run }) => run);
  const what = 'looking for the run';
  const contents = await objectContents(reader.client, what, ids, reader);
  const found = contents.flatMap((content, index): (SuiRun & Agreed)[] => {
    const cap = caps[index];
    // A right may be seen before the run that it is for.
    if (content instanceof Error || cap === undefined) return [];
    const run = Run.parse(content);
    if (!equalBytes(Uint8Array.from(run.specHash), specHash)) return [];
    const { agreed, attempts, models, latest } = run;
    const tables = { attempts: attempts.id, models: models.id, latest: latest.id };
    return [{ run: run.id, cap: cap.id, ...tables, agreed }];
  });
  if (found.length > 1)
    throw new FloeError(
      'verification_failed',
      `expected one run of ${toHex(specHash)} by ${reader.owner}, found ${found.map(({ run }) => run).join(', ')}`,
    );
  const [only] = found;
  if (only === undefined) return undefined;
  const { agreed, ...run } = only;
  const missing = (reader.auditors ?? []).filter((auditor) => !agreed.includes(auditor));
  if (missing.length > 0)
    throw new FloeError(
      'verification_failed',
      `expected the auditors of the specification in the run ${run.run}, it lacks ${missing.join(', ')}`,
    );
  return run;
};

export interface RunFacts {
  readonly specHash: Uint8Array;
  readonly name: string;
  /**
   * Addresses that the auditors' policy admits as long as the run lasts, the coordinator's
   * included.
   */
  readonly auditors: readonly string[];
}

/** Waits for a fresh object to be seen by reads. */
const FIND_RETRIES = 8;

/**
 * The run, created with the auditors of its specification when it is not there. They stay; its
 * owner may add others and remove these again, and one that was removed stays so, however often the
 * coordinator starts.
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
  return withRetry({ retries: FIND_RETRIES, clock: reader.clock }, async () => {
    const created = await findRun(reader, specHash);
    if (created === undefined)
      throw new FloeError('ledger_unavailable', 'the new run cannot be seen yet');
    return created;
  });
};
