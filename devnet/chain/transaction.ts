/**
 * @module Converts a signed transaction's BCS bytes to the gRPC form, which the rest of the chain
 * reads: an executed transaction arrives as BCS, a simulated one as gRPC with unresolved inputs.
 */
import { bcs } from '@mysten/sui/bcs';
import { GrpcTypes } from '@mysten/sui/grpc';
import { TransactionDataBuilder } from '@mysten/sui/transactions';
import { fromBase64 } from '@mysten/sui/utils';
import { GRPC, GrpcError } from './grpc-web.ts';

type CallArg = ReturnType<typeof bcs.CallArg.parse>;
type BcsCommand = ReturnType<typeof bcs.Command.parse>;
type BcsArgument = ReturnType<typeof bcs.Argument.parse>;
type Expiration = ReturnType<typeof bcs.TransactionData.parse>['V1']['expiration'];

export type ChainTransaction = GrpcTypes.Transaction;

const invalid = (message: string): GrpcError => new GrpcError(GRPC.INVALID_ARGUMENT, message);

const toInput = (arg: CallArg): GrpcTypes.Input => {
  if (arg.$kind === 'Pure')
    return { kind: GrpcTypes.Input_InputKind.PURE, pure: fromBase64(arg.Pure.bytes) };
  if (arg.$kind === 'FundsWithdrawal')
    throw invalid('the devnet keeps no address balances: FundsWithdrawal inputs are not supported');
  const object = arg.Object;
  switch (object.$kind) {
    case 'ImmOrOwnedObject':
      return {
        kind: GrpcTypes.Input_InputKind.IMMUTABLE_OR_OWNED,
        objectId: object.ImmOrOwnedObject.objectId,
        version: BigInt(object.ImmOrOwnedObject.version),
        digest: object.ImmOrOwnedObject.digest,
      };
    case 'SharedObject':
      return {
        kind: GrpcTypes.Input_InputKind.SHARED,
        objectId: object.SharedObject.objectId,
        version: BigInt(object.SharedObject.initialSharedVersion),
        mutable: object.SharedObject.mutable,
      };
    case 'Receiving':
      break;
  }
  return {
    kind: GrpcTypes.Input_InputKind.RECEIVING,
    objectId: object.Receiving.objectId,
    version: BigInt(object.Receiving.version),
    digest: object.Receiving.digest,
  };
};

const toArgument = (arg: BcsArgument): GrpcTypes.Argument => {
  switch (arg.$kind) {
    case 'GasCoin':
      return { kind: GrpcTypes.Argument_ArgumentKind.GAS };
    case 'Input':
      return { kind: GrpcTypes.Argument_ArgumentKind.INPUT, input: arg.Input };
    case 'Result':
      return { kind: GrpcTypes.Argument_ArgumentKind.RESULT, result: arg.Result };
    case 'NestedResult':
      break;
  }
  return {
    kind: GrpcTypes.Argument_ArgumentKind.RESULT,
    result: arg.NestedResult[0],
    subresult: arg.NestedResult[1],
  };
};

const toCommand = (command: BcsCommand): GrpcTypes.Command => {
  switch (command.$kind) {
    case 'MoveCall': {
      const call = command.MoveCall;
      const moveCall = { ...call, arguments: call.arguments.map(toArgument) };
      return { command: { oneofKind: 'moveCall', moveCall } };
    }
    case 'TransferObjects': {
      const objects = command.TransferObjects.objects.map(toArgument);
      const address = toArgument(command.TransferObjects.address);
      return { command: { oneofKind: 'transferObjects', transferObjects: { objects, address } } };
    }
    case 'SplitCoins': {
      const coin = toArgument(command.SplitCoins.coin);
      const amounts = command.SplitCoins.amounts.map(toArgument);
      return { command: { oneofKind: 'splitCoins', splitCoins: { coin, amounts } } };
    }
    case 'MergeCoins': {
      const coin = toArgument(command.MergeCoins.destination);
      const coinsToMerge = command.MergeCoins.sources.map(toArgument);
      return { command: { oneofKind: 'mergeCoins', mergeCoins: { coin, coinsToMerge } } };
    }
    case 'Publish': {
      const modules = command.Publish.modules.map((module) => fromBase64(module));
      const dependencies = command.Publish.dependencies;
      return { command: { oneofKind: 'publish', publish: { modules, dependencies } } };
    }
    case 'MakeMoveVec': {
      const { type } = command.MakeMoveVec;
      const elements = command.MakeMoveVec.elements.map(toArgument);
      const makeMoveVector = { elements, ...(type === null ? {} : { elementType: type }) };
      return { command: { oneofKind: 'makeMoveVector', makeMoveVector } };
    }
    case 'Upgrade':
      break;
  }
  const modules = command.Upgrade.modules.map((module) => fromBase64(module));
  const ticket = toArgument(command.Upgrade.ticket);
  const { dependencies, package: packageId } = command.Upgrade;
  const upgrade = { modules, dependencies, package: packageId, ticket };
  return { command: { oneofKind: 'upgrade', upgrade } };
};

const toTimestamp = (ms: string | null): { seconds: bigint; nanos: number } | undefined =>
  ms === null
    ? undefined
    : { seconds: BigInt(ms) / 1000n, nanos: Number(BigInt(ms) % 1000n) * 1_000_000 };

const toExpiration = (expiration: Expiration): GrpcTypes.TransactionExpiration => {
  const kinds = GrpcTypes.TransactionExpiration_TransactionExpirationKind;
  if (expiration.$kind === 'None') return { kind: kinds.NONE };
  if (expiration.$kind === 'Epoch') return { kind: kinds.EPOCH, epoch: BigInt(expiration.Epoch) };
  const validity =
    expiration.$kind === 'ValidDuring' ? expiration.ValidDuring : expiration.Validity;
  const minTimestamp = toTimestamp(validity.minTimestamp);
  const maxTimestamp = toTimestamp(validity.maxTimestamp);
  return {
    kind: expiration.$kind === 'ValidDuring' ? kinds.VALID_DURING : kinds.VALIDITY,
    chain: validity.chain,
    nonce: validity.nonce,
    ...(validity.minEpoch === null ? {} : { minEpoch: BigInt(validity.minEpoch) }),
    ...(validity.maxEpoch === null ? {} : { epoch: BigInt(validity.maxEpoch) }),
    ...(minTimestamp ? { minTimestamp } : {}),
    ...(maxTimestamp ? { maxTimestamp } : {}),
  };
};

const programmable = (
  inputs: readonly CallArg[],
  commands: readonly BcsCommand[],
): GrpcTypes.TransactionKind => ({
  data: {
    oneofKind: 'programmableTransaction',
    programmableTransaction: { inputs: inputs.map(toInput), commands: commands.map(toCommand) },
  },
});

/**
 * Decodes BCS `TransactionData` of a programmable transaction.
 *
 * @throws {GrpcError} INVALID_ARGUMENT when the bytes are not exactly one such transaction.
 */
export const decodeTransaction = (bytes: Uint8Array): ChainTransaction => {
  const data = parseBcs(() => bcs.TransactionData.parse(bytes), 'TransactionData').V1;
  if (!Buffer.from(bcs.TransactionData.serialize({ V1: data }).toBytes()).equals(bytes))
    throw invalid('expected canonical BCS TransactionData with nothing after it');
  if (data.kind.$kind !== 'ProgrammableTransaction')
    throw invalid(`expected a programmable transaction, got ${data.kind.$kind}`);
  const { inputs, commands } = data.kind.ProgrammableTransaction;
  return {
    bcs: { value: bytes },
    digest: TransactionDataBuilder.getDigestFromBytes(bytes),
    version: 1,
    kind: programmable(inputs, commands),
    sender: data.sender,
    gasPayment: {
      objects: data.gasData.payment.map((ref) => ({
        objectId: ref.objectId,
        version: BigInt(ref.version),
        digest: ref.digest,
      })),
      owner: data.gasData.owner,
      price: BigInt(data.gasData.price),
      budget: BigInt(data.gasData.budget),
    },
    expiration: toExpiration(data.expiration),
  };
};

/**
 * Decodes a BCS `ProgrammableTransaction` (a `TransactionKind` without its leading tag), as Seal
 * requests carry it.
 */
export const decodeProgrammable = (bytes: Uint8Array): GrpcTypes.TransactionKind => {
  const { inputs, commands } = parseBcs(
    () => bcs.ProgrammableTransaction.parse(bytes),
    'ProgrammableTransaction',
  );
  if (
    !Buffer.from(bcs.ProgrammableTransaction.serialize({ inputs, commands }).toBytes()).equals(
      bytes,
    )
  )
    throw invalid('expected canonical BCS ProgrammableTransaction with nothing after it');
  return programmable(inputs, commands);
};

const parseBcs = <T>(parse: () => T, what: string): T => {
  try {
    return parse();
  } catch (error) {
    throw new GrpcError(GRPC.INVALID_ARGUMENT, `expected BCS ${what}: ${String(error)}`);
  }
};
