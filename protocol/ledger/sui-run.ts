/**
 * @module The run on chain: found by its coordinator's address and the hash of its specification, so that nobody has to be told
 * an object id; created once by the coordinator.
 */
import type { ClientWithCoreApi, SuiClientTypes } from '@mysten/sui/client';
import { equalBytes } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import type { Sender } from '../sui/transactions.ts';
import { Run, RunCap } from './sui-layout.ts';

export interface SuiRun {
  /** Object ids. */
  readonly run: string;
  readonly cap: string;
  /** Of the table that holds the rounds. */
  readonly rounds: string;
  /** Addresses. */
  readonly auditors: readonly string[];
}

export interface RunReader {
  readonly client: ClientWithCoreApi;
  readonly packageId: string;
  /** Sui address of the run's coordinator. */
  readonly owner: string;
  readonly timeoutMs?: number;
}

const READ_MS = 15_000;

/** One read of the chain, with its deadline and its repeats; what is not there is `undefined`. */
export const readChain = async <Result>(
  what: string,
  timeoutMs: number | undefined,
  read: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> =>
  withRetry({ retries: 4 }, () =>
    bounded(
      { timeoutMs: timeoutMs ?? READ_MS, code: 'ledger_unavailable', what },
      async (signal) => {
        try {
          return await read(signal);
        } catch (thrown) {
          if ((thrown as { readonly reason?: unknown }).reason === 'notFound') return undefined;
          if (thrown instanceof FloeError) throw thrown;
          const { message } = thrown as Error;
          throw new FloeError('ledger_unavailable', `${what}: ${message}`, {}, { cause: thrown });
        }
      },
    ),
  );

const capsOf = async ({ client, packageId, owner }: RunReader, signal: AbortSignal) => {
  const caps: (typeof RunCap.$inferType)[] = [];
  for (let cursor: string | null | undefined; ;) {
    const page: SuiClientTypes.ListOwnedObjectsResponse<{ content: true }> =
      // Each page says where the next begins.
      // oxlint-disable-next-line no-await-in-loop
      await client.core.listOwnedObjects({
        owner,
        type: `${packageId}::run::RunCap`,
        include: { content: true },
        cursor: cursor ?? null,
        signal,
      });
    caps.push(...page.objects.map(({ content }) => RunCap.parse(content)));
    if (!page.hasNextPage || page.cursor === null) return caps;
    cursor = page.cursor;
  }
};

/** GetObjects takes this many. */
const BATCH = 50;

/** @param specHash 32 bytes @returns undefined when the coordinator has not created it */
export const findRun = async (
  reader: RunReader,
  specHash: Uint8Array,
): Promise<SuiRun | undefined> =>
  readChain('looking for the run', reader.timeoutMs, async (signal) => {
    const caps = await capsOf(reader, signal);
    for (let at = 0; at < caps.length; at += BATCH) {
      const part = caps.slice(at, at + BATCH);
      // oxlint-disable-next-line no-await-in-loop
      const { objects } = await reader.client.core.getObjects({
        objectIds: part.map(({ run }) => run),
        include: { content: true },
        signal,
      });
      for (const [index, object] of objects.entries()) {
        if (object instanceof Error) continue;
        const run = Run.parse(object.content);
        const cap = part[index];
        if (cap !== undefined && equalBytes(Uint8Array.from(run.specHash), specHash))
          return { run: run.id, cap: cap.id, rounds: run.rounds.id, auditors: run.auditors };
      }
    }
    return undefined;
  });

export interface RunFacts {
  readonly specHash: Uint8Array;
  readonly name: string;
  /** Addresses that the auditors' policy admits, the coordinator's included. */
  readonly auditors: readonly string[];
}

/** Waits for a fresh object to be seen by reads. */
const FIND_RETRIES = 8;

/**
 * The run, created when it is not there, with its auditors. Repeating it changes nothing.
 * @throws FloeError `ledger_unavailable`, `transaction_failed`
 */
export const ensureRun = async (
  reader: RunReader,
  sender: Sender,
  { specHash, name, auditors }: RunFacts,
): Promise<SuiRun> => {
  const { packageId } = reader;
  let found = await findRun(reader, specHash);
  if (found === undefined) {
    await sender.execute((transaction) => {
      const cap = transaction.moveCall({
        target: `${packageId}::run::create`,
        arguments: [
          transaction.pure.string(name),
          transaction.pure.vector('u8', specHash),
          transaction.pure.address(sender.address),
        ],
      });
      transaction.transferObjects([cap], sender.address);
    });
    found = await withRetry({ retries: FIND_RETRIES }, async () => {
      const created = await findRun(reader, specHash);
      if (created === undefined)
        throw new FloeError('ledger_unavailable', 'the new run cannot be seen yet');
      return created;
    });
  }
  const { run, cap } = found;
  const missing = auditors.filter((auditor) => !found.auditors.includes(auditor));
  if (missing.length === 0) return found;
  await sender.execute((transaction) => {
    for (const auditor of missing)
      transaction.moveCall({
        target: `${packageId}::run::add_auditor`,
        arguments: [
          transaction.object(cap),
          transaction.object(run),
          transaction.pure.address(auditor),
        ],
      });
  });
  return { ...found, auditors: [...found.auditors, ...missing] };
};
