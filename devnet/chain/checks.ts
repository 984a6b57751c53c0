/**
 * @module The checks of a transaction before it runs: signatures, validity, gas. A refused
 * transaction changes nothing.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import { transactionSigner } from '../signatures.ts';
import { SUI_COIN } from './commands.ts';
import { coinBalance } from './executor.ts';
import { MAX_GAS_BUDGET, MAX_GAS_OBJECTS, minimumBudget, REFERENCE_GAS_PRICE } from './gas.ts';
import { GRPC, GrpcError } from './grpc-web.ts';
import { programmableOf, requireAddress, requireCurrent } from './inputs.ts';
import type { ChainObject, StateView } from './objects.ts';

const refuse = (message: string): GrpcError => new GrpcError(GRPC.INVALID_ARGUMENT, message);

/** One signature of each signer, over exactly these bytes. */
export const checkSignatures = async (
  bytes: Uint8Array,
  signatures: readonly Uint8Array[],
  signers: ReadonlySet<string>,
): Promise<void> => {
  if (signatures.length !== signers.size)
    throw refuse(`expected ${signers.size} signatures, got ${signatures.length}`);
  const signed = new Set<string>();
  for (const signature of signatures) {
    try {
      signed.add(normalizeSuiAddress(await transactionSigner(bytes, signature)));
    } catch (error) {
      throw refuse(`a signature does not verify: ${String(error)}`);
    }
  }
  for (const signer of signers)
    if (!signed.has(signer)) throw refuse(`expected a signature of ${signer}`);
};

const milliseconds = (time: { seconds: bigint; nanos: number }): number =>
  Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000);

/** Refuses a transaction that is not valid (any more, or yet) in this epoch on this chain. */
export const checkExpiration = (
  transaction: GrpcTypes.Transaction,
  now: { readonly epoch: bigint; readonly timeMs: number; readonly chainId: string },
): void => {
  const { expiration } = transaction;
  const kinds = GrpcTypes.TransactionExpiration_TransactionExpirationKind;
  if (!expiration || expiration.kind === kinds.NONE) return;
  const { epoch, minEpoch, chain, minTimestamp, maxTimestamp } = expiration;
  if (epoch !== undefined && now.epoch > epoch)
    throw refuse(`the transaction expired in epoch ${epoch}, now is ${now.epoch}`);
  if (minEpoch !== undefined && now.epoch < minEpoch)
    throw refuse(`the transaction is valid from epoch ${minEpoch}, now is ${now.epoch}`);
  if (chain !== undefined && chain !== now.chainId)
    throw refuse(`the transaction is for chain ${chain}, this is ${now.chainId}`);
  if (minTimestamp && now.timeMs < milliseconds(minTimestamp))
    throw refuse('the transaction is not valid yet');
  if (maxTimestamp && now.timeMs > milliseconds(maxTimestamp))
    throw refuse('the transaction is not valid any more');
};

/**
 * The gas payment of a transaction: coins of the owner, current, not used otherwise, with enough in
 * them.
 */
export const checkGas = (transaction: GrpcTypes.Transaction, owner: string, state: StateView) => {
  const { objects = [], price = 0n, budget = 0n } = transaction.gasPayment ?? {};
  if (price < REFERENCE_GAS_PRICE)
    throw refuse(`gas price ${price} is below the reference price ${REFERENCE_GAS_PRICE}`);
  if (budget < minimumBudget(price) || budget > MAX_GAS_BUDGET)
    throw refuse(`gas budget ${budget} is not in ${minimumBudget(price)}..${MAX_GAS_BUDGET}`);
  if (objects.length < 1 || objects.length > MAX_GAS_OBJECTS)
    throw refuse(`expected 1 to ${MAX_GAS_OBJECTS} gas coins, got ${objects.length}`);
  const used = new Set(
    programmableOf(transaction).inputs.flatMap(({ objectId }) =>
      objectId === undefined ? [] : [normalizeSuiAddress(objectId)],
    ),
  );
  const coins = objects.map((ref) => {
    const id = requireAddress(ref.objectId, 'a gas coin');
    const coin = state.get(id);
    if (!coin) throw new GrpcError(GRPC.NOT_FOUND, `Object ${id} not found`);
    if (coin.objectType !== SUI_COIN) throw refuse(`gas coin ${id} is a ${coin.objectType}`);
    if (coin.owner.type !== 'address' || coin.owner.address !== owner)
      throw refuse(`gas coin ${id} is not owned by the gas owner ${owner}`);
    requireCurrent(coin, ref.version, ref.digest);
    if (used.has(id)) throw refuse(`object ${id} is an input or a gas coin twice`);
    used.add(id);
    return coin;
  });
  const balance = coins.reduce((sum, coin) => sum + coinBalance(coin.contents), 0n);
  if (balance < budget)
    throw refuse(`Balance of gas object ${balance} is lower than the needed amount: ${budget}`);
  return { coins, owner, price, budget };
};

/** The owner's SUI coins that are no inputs, the largest first. */
export const selectGas = (
  inputs: readonly GrpcTypes.Input[],
  owner: string,
  state: StateView,
): readonly ChainObject[] => {
  const used = new Set(inputs.map(({ objectId }) => objectId && normalizeSuiAddress(objectId)));
  return state
    .ownedBy({ type: 'address', address: owner })
    .filter(({ id, objectType }) => objectType === SUI_COIN && !used.has(id))
    .toSorted((a, b) => Number(coinBalance(b.contents) - coinBalance(a.contents)))
    .slice(0, MAX_GAS_OBJECTS);
};

/**
 * The result of a dry run without checks whose inputs cannot be used: resolved, and said to fail.
 */
export const refusedDryRun = (
  error: GrpcError,
  transaction: GrpcTypes.Transaction,
  epoch: bigint,
): GrpcTypes.ExecutedTransaction => ({
  digest: '',
  transaction,
  signatures: [],
  effects: {
    version: 2,
    status: {
      success: false,
      error: { description: error.message, errorDetails: { oneofKind: undefined } },
    },
    epoch,
    dependencies: [],
    changedObjects: [],
    unchangedConsensusObjects: [],
    unchangedLoadedRuntimeObjects: [],
  },
  balanceChanges: [],
});
