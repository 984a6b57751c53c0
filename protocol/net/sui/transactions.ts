/**
 * @module Transactions of one signer, one after another. A transaction is prepared (resolved,
 * priced, signed) and then submitted; the prepared bytes can be submitted again after a crash, and
 * since their digest names them they take effect at most once.
 */
import type { ClientWithCoreApi, SuiClientTypes } from '@mysten/sui/client';
import { SimulationError } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import { Transaction, TransactionDataBuilder } from '@mysten/sui/transactions';
import { FloeError, toFloeError, type ErrorCode } from '../../errors.ts';
import { sleep, systemClock, type Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from './bounds.ts';
import { serialQueue, type SerialQueue } from '../../queue.ts';

/**
 * The chain ran the transaction, or would have, and it failed: sending the same again cannot help.
 */
export class TransactionFailed extends FloeError {
  /** Name of the Move module that aborted, where one did. */
  readonly module: string | undefined;
  readonly abortCode: number | undefined;

  constructor(error: SuiClientTypes.ExecutionError, digest?: string) {
    super('transaction_failed', error.message, { digest });
    const abort = error.$kind === 'MoveAbort' ? error.MoveAbort : undefined;
    this.module = abort?.location?.module;
    this.abortCode = abort === undefined ? undefined : Number(abort.abortCode);
  }
}

/**
 * The prepared bytes can no longer be executed: an input moved on. They have had no effect and
 * never will.
 */
export class TransactionSuperseded extends FloeError {
  constructor(cause: unknown) {
    super(
      'ledger_unavailable',
      `the transaction's inputs moved on: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
}

export interface Prepared {
  /** BCS `TransactionData`. */
  readonly bytes: Uint8Array;
  readonly digest: string;
}

export interface Executed {
  readonly digest: string;
  /** Types of the objects it created, by id. */
  readonly created: ReadonlyMap<string, string>;
  /** MIST. */
  readonly gas: bigint;
}

export interface Sender {
  readonly address: string;
  /**
   * Builds and executes, after everything queued before.
   * @param onPrepared told of the bytes before they leave; what it saves can be given to
   * {@link submit} after a crash
   * @throws TransactionFailed; FloeError `ledger_unavailable` when it is not known whether it took
   * effect
   */
  execute(
    build: (transaction: Transaction) => void | Promise<void>,
    onPrepared?: (prepared: Prepared) => Promise<void>,
  ): Promise<Executed>;
  /**
   * Submits prepared bytes, any number of times to the same effect.
   * @throws TransactionFailed, TransactionSuperseded; FloeError `ledger_unavailable`
   */
  submit(prepared: Prepared): Promise<Executed>;
}

export interface SenderInit {
  readonly client: ClientWithCoreApi;
  readonly signer: Signer;
  /** Shared by all that send for this signer. */
  readonly queue?: SerialQueue;
  /** Milliseconds one call may take. Default 20 s. */
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly onRetry?: (error: FloeError, attempt: number) => void;
  readonly clock?: Clock | undefined;
}

const UNAVAILABLE: ErrorCode = 'ledger_unavailable';

/** gRPC's words for: refused before execution. */
const REFUSALS = new Set(['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'ABORTED']);
const MISSING_FUNDS = /insufficient|no valid gas|not enough/iu;

const unavailable = (cause: unknown): FloeError => toFloeError(cause, UNAVAILABLE);

/** The same bytes would be refused again; whoever prepared them decides. */
const isFinal = (error: unknown): boolean => error instanceof TransactionSuperseded;

const isRefusal = (thrown: unknown): boolean =>
  REFUSALS.has(String((thrown as { readonly code?: unknown }).code));

/**
 * What building a transaction throws, sorted into what a later attempt can cure and what it cannot.
 */
const buildError = (thrown: unknown): FloeError => {
  if (thrown instanceof SimulationError && thrown.executionError?.$kind === 'MoveAbort')
    return new TransactionFailed(thrown.executionError);
  const error = unavailable(thrown);
  return error.code === UNAVAILABLE && MISSING_FUNDS.test(error.message)
    ? new FloeError('transaction_failed', error.message, {}, { cause: thrown })
    : error;
};

const outcome = (
  result: SuiClientTypes.TransactionResult<{ effects: true; objectTypes: true }>,
): Executed => {
  if (result.$kind === 'FailedTransaction') {
    const { status, digest } = result.FailedTransaction;
    throw new TransactionFailed(
      status.error ?? { message: 'the transaction failed', $kind: 'Unknown', Unknown: null },
      digest,
    );
  }
  const { digest, effects, objectTypes } = result.Transaction;
  const { computationCost, storageCost, storageRebate } = effects.gasUsed;
  return {
    digest,
    created: new Map(
      effects.changedObjects
        .filter(({ idOperation }) => idOperation === 'Created')
        .map(({ objectId }) => [objectId, objectTypes[objectId] ?? '']),
    ),
    gas: BigInt(computationCost) + BigInt(storageCost) - BigInt(storageRebate),
  };
};

const INCLUDE = { effects: true, objectTypes: true } as const;
/**
 * How long a following read is waited for; a node that lags longer is asked again by whoever reads.
 */
const POLL_MS = [0, 50, 150, 400, 900];

export const createSender = (init: SenderInit): Sender => {
  const { client, signer, timeoutMs = 20_000, retries = 5, onRetry, clock = systemClock } = init;
  const queue = init.queue ?? serialQueue();
  const address = signer.toSuiAddress();

  const prepare = async (
    build: (transaction: Transaction) => void | Promise<void>,
  ): Promise<Prepared> => {
    try {
      return await bounded(
        { timeoutMs, clock, code: UNAVAILABLE, what: 'building a transaction' },
        async () => {
          const transaction = new Transaction();
          transaction.setSender(address);
          await build(transaction);
          const bytes = await transaction.build({ client });
          return { bytes, digest: TransactionDataBuilder.getDigestFromBytes(bytes) };
        },
      );
    } catch (thrown) {
      throw buildError(thrown);
    }
  };

  const find = async (digest: string, signal: AbortSignal): Promise<Executed | undefined> => {
    let result: SuiClientTypes.TransactionResult<typeof INCLUDE>;
    try {
      result = await client.core.getTransaction({ digest, include: INCLUDE, signal });
    } catch (thrown) {
      const missing = (thrown as { readonly reason?: unknown }).reason === 'notFound';
      if (missing) return undefined;
      throw unavailable(thrown);
    }
    return outcome(result);
  };

  /**
   * Waits until reads see it, where the node keeps up. The transaction is final: failing to look
   * changes nothing.
   */
  const settle = async (digest: string): Promise<boolean> => {
    for (const pause of POLL_MS) {
      await sleep(clock, pause);
      const seen = await client.core.getTransaction({ digest }).then(
        () => true,
        () => false,
      );
      if (seen) return true;
    }
    return false;
  };

  const submitOnce = async ({ bytes, digest }: Prepared): Promise<Executed> => {
    const { signature } = await signer.signTransaction(bytes);
    return bounded(
      { timeoutMs, clock, code: UNAVAILABLE, what: `executing ${digest}` },
      async (signal) => {
        try {
          return outcome(
            await client.core.executeTransaction({
              transaction: bytes,
              signatures: [signature],
              include: INCLUDE,
              signal,
            }),
          );
        } catch (thrown) {
          if (thrown instanceof FloeError) throw thrown;
          // Either it never arrived, or the answer was lost: only the digest tells.
          const known = await find(digest, signal);
          if (known !== undefined) return known;
          throw isRefusal(thrown) ? new TransactionSuperseded(thrown) : unavailable(thrown);
        }
      },
    );
  };

  const submit = async (prepared: Prepared): Promise<Executed> => {
    const executed = await withRetry({ retries, onRetry, isFinal, clock }, () =>
      submitOnce(prepared),
    );
    await settle(prepared.digest);
    return executed;
  };

  return {
    address,
    submit: (prepared) => queue.run(() => submit(prepared)),
    execute: (build, onPrepared) =>
      queue.run(async () => {
        // Once bytes have left and nobody knows what became of them, building others could pay
        // twice.
        let unknown: unknown;
        const plan = { retries, onRetry, clock, isFinal: (error: unknown) => error === unknown };
        return withRetry(plan, async () => {
          const prepared = await prepare(build);
          await onPrepared?.(prepared);
          try {
            return await submit(prepared);
          } catch (thrown) {
            if (!(thrown instanceof TransactionSuperseded)) unknown = thrown;
            throw thrown;
          }
        });
      }),
  };
};
