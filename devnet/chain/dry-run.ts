/**
 * @module Executes transactions without keeping their effects: for `simulateTransaction`, which
 * fills in missing inputs and gas, and for key servers that evaluate a policy.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import { systemObject, type Chain } from './chain.ts';
import { checkExpiration, checkGas, refusedDryRun, selectGas } from './checks.ts';
import { SUI_COIN } from './commands.ts';
import { executedOf } from './encode.ts';
import { coinBalance, executeTransaction, type Execution } from './executor.ts';
import { MAX_GAS_BUDGET, minimumBudget, REFERENCE_GAS_PRICE } from './gas.ts';
import { GRPC, GrpcError } from './grpc-web.ts';
import {
  completeInputs,
  programmableOf,
  relaxInputs,
  requireAddress,
  resolveInputs,
} from './inputs.ts';
import { addressBytes, blake2b256, u64le, type ChainObject, type StateView } from './objects.ts';
import { checkRandomUse } from './randomness.ts';
import { decodeTransaction, type ChainTransaction } from './transaction.ts';

/** What a policy may cost, in MIST: asking is free, so it is bounded. */
const POLICY_BUDGET = 500_000_000n;
/** Gas of a dry run without checks: a coin that exists nowhere. */
const DRY_RUN_BALANCE = 1_000_000_000_000_000n;
const ZERO = normalizeSuiAddress('0x0');

const refuse = (message: string): GrpcError => new GrpcError(GRPC.INVALID_ARGUMENT, message);

const reference = (object: ChainObject): GrpcTypes.ObjectReference => ({
  objectId: object.id,
  version: object.version,
  digest: object.digest,
});

const dryRunCoin = (owner: string): ChainObject => {
  const id = normalizeSuiAddress(`0x${'d'.repeat(64)}`);
  return systemObject({
    id,
    objectType: SUI_COIN,
    contents: Buffer.concat([addressBytes(id), u64le(DRY_RUN_BALANCE)]),
    owner: { type: 'address', address: owner },
  });
};

export interface Simulation {
  readonly executed: GrpcTypes.ExecutedTransaction;
  readonly results: readonly (readonly Uint8Array[])[];
}

/**
 * Runs a transaction without keeping anything: fills in inputs and, when asked, the gas payment.
 *
 * @throws {GrpcError} when the transaction would be refused; not with `checks` off, where the
 * result says it failed.
 */
export const simulate = (
  chain: Chain,
  request: {
    readonly transaction: GrpcTypes.Transaction;
    readonly checks: boolean;
    readonly doGasSelection: boolean;
    /** Defaults to what reads see. */
    readonly state?: StateView;
  },
): Simulation => {
  chain.tick();
  const state = request.state ?? chain.readable;
  const given = request.transaction.bcs?.value
    ? decodeTransaction(request.transaction.bcs.value)
    : request.transaction;
  const sender = requireAddress(given.sender ?? ZERO, 'the sender');
  const owner = requireAddress(given.gasPayment?.owner ?? sender, 'the gas owner');
  const programmable = completeInputs(programmableOf(given), state, chain.vm);
  checkRandomUse(programmable);
  const price = given.gasPayment?.price ?? REFERENCE_GAS_PRICE;
  const resolved: ChainTransaction = {
    ...given,
    version: 1,
    sender,
    kind: {
      data: { oneofKind: 'programmableTransaction', programmableTransaction: programmable },
    },
    gasPayment: {
      objects: given.gasPayment?.objects ?? [],
      owner,
      price,
      ...(given.gasPayment?.budget === undefined ? {} : { budget: given.gasPayment.budget }),
    },
    expiration: given.expiration ?? {
      kind: GrpcTypes.TransactionExpiration_TransactionExpirationKind.NONE,
    },
  };
  const run = (gas: Parameters<typeof executeTransaction>[0]['gas']): Execution =>
    executeTransaction({
      vm: chain.vm,
      state,
      transaction: resolved,
      inputs: resolveInputs(programmable.inputs, state, sender),
      digest: blake2b256(GrpcTypes.Transaction.toBinary(resolved)),
      sender,
      gas,
      keepPackages: false,
      ...chain.environment,
    });
  const finish = (execution: Execution, transaction: ChainTransaction): Simulation => ({
    executed: executedOf(execution, {
      transaction,
      sender,
      signatures: [],
      sequence: chain.records.length,
      timeMs: chain.timeMs,
      vm: chain.vm,
    }),
    results: execution.results,
  });
  if (!request.checks) {
    const coins = [dryRunCoin(owner)];
    try {
      return finish(run({ coins, owner, price, budget: MAX_GAS_BUDGET }), resolved);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      return { executed: refusedDryRun(error, resolved, chain.epoch), results: [] };
    }
  }
  checkExpiration(resolved, chain);
  if (!request.doGasSelection) {
    const execution = run(checkGas(resolved, owner, state));
    return finish(execution, resolved);
  }
  const chosen = given.gasPayment?.objects ?? [];
  const coins =
    chosen.length > 0
      ? chosen
          .flatMap(({ objectId }) => state.get(requireAddress(objectId, 'a gas coin')) ?? [])
          .filter(({ objectType }) => objectType === SUI_COIN)
      : selectGas(programmable.inputs, owner, state);
  const balance = coins.reduce((sum, coin) => sum + coinBalance(coin.contents), 0n);
  if (balance < minimumBudget(price))
    throw refuse(`Unable to perform gas selection due to insufficient SUI balance of ${owner}`);
  const most = balance < MAX_GAS_BUDGET ? balance : MAX_GAS_BUDGET;
  const execution = run({ coins, owner, price, budget: given.gasPayment?.budget ?? most });
  const { computationCost, storageCost } = execution.gasUsed;
  const estimate = computationCost + storageCost + minimumBudget(price);
  const budget = given.gasPayment?.budget ?? (estimate < most ? estimate : most);
  const gasPayment = { objects: coins.map(reference), owner, price, budget };
  const withGas = { ...resolved, gasPayment };
  if (given.gasPayment?.budget !== undefined) checkGas(withGas, owner, state);
  return finish(execution, withGas);
};

/**
 * Whether a programmable transaction runs through for `sender` on the latest state, with versions
 * and digests of the request ignored. This is how key servers ask a policy.
 *
 * @throws {GrpcError} when an input does not exist or may not be used by `sender`.
 */
export const evaluate = (
  chain: Chain,
  programmable: GrpcTypes.ProgrammableTransaction,
  sender: string,
): GrpcTypes.ExecutionError | undefined => {
  chain.tick();
  const transaction: ChainTransaction = {
    sender,
    kind: {
      data: {
        oneofKind: 'programmableTransaction',
        programmableTransaction: completeInputs(relaxInputs(programmable), chain.state, chain.vm),
      },
    },
  };
  const execution = executeTransaction({
    vm: chain.vm,
    state: chain.state,
    transaction,
    inputs: resolveInputs(programmableOf(transaction).inputs, chain.state, sender),
    digest: blake2b256(GrpcTypes.Transaction.toBinary(transaction)),
    sender,
    gas: {
      coins: [dryRunCoin(sender)],
      owner: sender,
      price: REFERENCE_GAS_PRICE,
      budget: POLICY_BUDGET,
    },
    keepPackages: false,
    ...chain.environment,
  });
  return execution.error;
};
