/**
 * @module The chain's records in gRPC form: objects, effects (also as BCS `TransactionEffects`,
 * which the SDK's transaction executors read), events, balance changes.
 */
import { bcs } from '@mysten/sui/bcs';
import { GrpcTypes } from '@mysten/sui/grpc';
import type { MoveVm } from '../move/types.ts';
import { coinBalance, type Execution, type ObjectChange } from './executor.ts';
import type { ChainObject, Owner } from './objects.ts';

const ownerKinds = GrpcTypes.Owner_OwnerKind;
const inputStates = GrpcTypes.ChangedObject_InputObjectState;
const outputStates = GrpcTypes.ChangedObject_OutputObjectState;
const operations = GrpcTypes.ChangedObject_IdOperation;
const errorKinds = GrpcTypes.ExecutionError_ExecutionErrorKind;

type ProtoValue = NonNullable<GrpcTypes.Object['json']>;

/** JSON-ready data as `google.protobuf.Value`. */
export const toValue = (data: unknown): ProtoValue => {
  if (Array.isArray(data))
    return { kind: { oneofKind: 'listValue', listValue: { values: data.map(toValue) } } };
  if (typeof data === 'boolean') return { kind: { oneofKind: 'boolValue', boolValue: data } };
  if (typeof data === 'number') return { kind: { oneofKind: 'numberValue', numberValue: data } };
  if (typeof data === 'string') return { kind: { oneofKind: 'stringValue', stringValue: data } };
  if (typeof data === 'bigint')
    return { kind: { oneofKind: 'stringValue', stringValue: data.toString() } };
  if (typeof data === 'object' && data !== null) {
    const fields = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, toValue(value)]),
    );
    return { kind: { oneofKind: 'structValue', structValue: { fields } } };
  }
  return { kind: { oneofKind: 'nullValue', nullValue: 0 } };
};

export const toProtoOwner = (owner: Owner): GrpcTypes.Owner => {
  switch (owner.type) {
    case 'address':
      return { kind: ownerKinds.ADDRESS, address: owner.address };
    case 'object':
      return { kind: ownerKinds.OBJECT, address: owner.parent };
    case 'shared':
      return { kind: ownerKinds.SHARED, version: owner.version };
    case 'immutable':
      break;
  }
  return { kind: ownerKinds.IMMUTABLE };
};

/** The type inside `Coin<T>`, or undefined for anything else. */
export const coinTypeOf = (objectType: string): string | undefined =>
  /^0x0{63}2::coin::Coin<(.*)>$/.exec(objectType)?.[1];

/** One object; `json` only when asked for, since it needs the type's layout. */
export const toProtoObject = (
  object: ChainObject,
  vm: MoveVm,
  paths: ReadonlySet<string>,
): GrpcTypes.Object => {
  const isCoin = coinTypeOf(object.objectType) !== undefined;
  const json =
    paths.has('json') && !object.package
      ? vm.toJson(object.objectType, object.contents)
      : undefined;
  return {
    objectId: object.id,
    version: object.version,
    digest: object.digest,
    owner: toProtoOwner(object.owner),
    objectType: object.objectType,
    previousTransaction: object.previousTransaction,
    storageRebate: object.storageRebate,
    ...(object.package ? {} : { hasPublicTransfer: object.hasPublicTransfer }),
    ...(object.package ? {} : { contents: { name: object.objectType, value: object.contents } }),
    ...(isCoin ? { balance: coinBalance(object.contents) } : {}),
    ...(json === undefined ? {} : { json: toValue(json) }),
  };
};

const toChangedObject = ({
  id,
  before,
  after,
  operation,
}: ObjectChange): GrpcTypes.ChangedObject => ({
  objectId: id,
  inputState: before ? inputStates.EXISTS : inputStates.DOES_NOT_EXIST,
  ...(before
    ? {
        inputVersion: before.version,
        inputDigest: before.digest,
        inputOwner: toProtoOwner(before.owner),
      }
    : {}),
  outputState: !after
    ? outputStates.DOES_NOT_EXIST
    : after.package
      ? outputStates.PACKAGE_WRITE
      : outputStates.OBJECT_WRITE,
  ...(after
    ? {
        outputVersion: after.version,
        outputDigest: after.digest,
        outputOwner: toProtoOwner(after.owner),
      }
    : {}),
  idOperation:
    operation === 'created'
      ? operations.CREATED
      : operation === 'deleted'
        ? operations.DELETED
        : operations.NONE,
  objectType: (after ?? before)?.objectType ?? '',
});

type BcsOwner = Parameters<typeof bcs.Owner.serialize>[0];
type BcsEffects = Parameters<typeof bcs.TransactionEffects.serialize>[0];
type BcsEffectsV2 = Extract<BcsEffects, { V2: unknown }>['V2'];
type BcsFailure = NonNullable<
  Extract<BcsEffectsV2['status'], { Failure: unknown }>['Failure']
>['error'];

const toBcsOwner = (owner: Owner): BcsOwner => {
  switch (owner.type) {
    case 'address':
      return { AddressOwner: owner.address };
    case 'object':
      return { ObjectOwner: owner.parent };
    case 'shared':
      return { Shared: { initialSharedVersion: owner.version } };
    case 'immutable':
      break;
  }
  return { Immutable: true };
};

/** Failures that BCS says nothing more about. */
const PLAIN_FAILURES: ReadonlyMap<number, BcsFailure> = new Map<number, BcsFailure>([
  [errorKinds.INSUFFICIENT_GAS, { InsufficientGas: true }],
  [errorKinds.INSUFFICIENT_COIN_BALANCE, { InsufficientCoinBalance: true }],
  [errorKinds.FUNCTION_NOT_FOUND, { FunctionNotFound: true }],
  [errorKinds.ARITY_MISMATCH, { ArityMismatch: true }],
  [errorKinds.NON_ENTRY_FUNCTION_INVOKED, { NonEntryFunctionInvoked: true }],
  [
    errorKinds.VM_VERIFICATION_OR_DESERIALIZATION_ERROR,
    { VMVerificationOrDeserializationError: true },
  ],
  [errorKinds.MOVE_PRIMITIVE_RUNTIME_ERROR, { MovePrimitiveRuntimeError: null }],
]);

const toBcsFailure = (error: GrpcTypes.ExecutionError): BcsFailure => {
  const { errorDetails } = error;
  if (errorDetails.oneofKind === 'abort') {
    const { abortCode = 0n, location } = errorDetails.abort;
    return {
      MoveAbort: [
        {
          module: { address: location?.package ?? '0x0', name: location?.module ?? '' },
          function: location?.function ?? 0,
          instruction: location?.instruction ?? 0,
          functionName: location?.functionName ?? null,
        },
        abortCode,
      ],
    };
  }
  if (error.kind === errorKinds.COMMAND_ARGUMENT_ERROR) {
    const argIdx =
      errorDetails.oneofKind === 'commandArgumentError'
        ? (errorDetails.commandArgumentError.argument ?? 0)
        : 0;
    return { CommandArgumentError: { argIdx, kind: { TypeMismatch: true } } };
  }
  return PLAIN_FAILURES.get(error.kind ?? 0) ?? { VMInvariantViolation: true };
};

const effectsBcs = (execution: Execution): Uint8Array => {
  const changed: BcsEffectsV2['changedObjects'] = execution.objects.map(
    ({ id, before, after, operation }) => [
      id,
      {
        inputState: before
          ? { Exist: [[before.version, before.digest], toBcsOwner(before.owner)] }
          : { NotExist: true },
        outputState: !after
          ? { NotExist: true }
          : after.package
            ? { PackageWrite: [after.version, after.digest] }
            : { ObjectWrite: [after.digest, toBcsOwner(after.owner)] },
        idOperation:
          operation === 'created'
            ? { Created: true }
            : operation === 'deleted'
              ? { Deleted: true }
              : { None: true },
      },
    ],
  );
  const effects: BcsEffectsV2 = {
    status: execution.error
      ? {
          Failure: {
            error: toBcsFailure(execution.error),
            command: execution.error.command ?? null,
          },
        }
      : { Success: true },
    executedEpoch: execution.epoch,
    gasUsed: execution.gasUsed,
    transactionDigest: execution.digest,
    gasObjectIndex: execution.objects.findIndex(({ id }) => id === execution.gasObjectId),
    eventsDigest: null,
    dependencies: [],
    lamportVersion: execution.lamportVersion,
    changedObjects: changed,
    unchangedConsensusObjects: execution.readOnlyShared.map((object) => [
      object.id,
      { ReadOnlyRoot: [object.version, object.digest] },
    ]),
    auxDataDigest: null,
  };
  return bcs.TransactionEffects.serialize({ V2: effects }, { maxSize: 16_777_216 }).toBytes();
};

const toProtoEffects = (execution: Execution): GrpcTypes.TransactionEffects => {
  const gasChange = execution.objects.find(({ id }) => id === execution.gasObjectId);
  return {
    bcs: { name: 'TransactionEffects', value: effectsBcs(execution) },
    version: 2,
    status: execution.error ? { success: false, error: execution.error } : { success: true },
    epoch: execution.epoch,
    gasUsed: execution.gasUsed,
    transactionDigest: execution.digest,
    ...(gasChange ? { gasObject: toChangedObject(gasChange) } : {}),
    dependencies: [],
    lamportVersion: execution.lamportVersion,
    changedObjects: execution.objects.map(toChangedObject),
    unchangedConsensusObjects: execution.readOnlyShared.map((object) => ({
      kind: GrpcTypes.UnchangedConsensusObject_UnchangedConsensusObjectKind.READ_ONLY_ROOT,
      objectId: object.id,
      version: object.version,
      digest: object.digest,
      objectType: object.objectType,
    })),
    unchangedLoadedRuntimeObjects: [],
  };
};

/** Events as the RPC gives them; `json` where the type is known. */
const toProtoEvents = (
  execution: Execution,
  sender: string,
  vm: MoveVm,
): readonly GrpcTypes.Event[] =>
  execution.events.map((event, eventIndex) => {
    const json = vm.toJson(event.type, event.contents);
    return {
      packageId: event.package,
      module: event.module,
      sender,
      eventType: event.type,
      contents: { name: event.type, value: event.contents },
      transactionDigest: execution.digest,
      eventIndex,
      ...(json === undefined ? {} : { json: toValue(json) }),
    };
  });

/** How much of each coin type each address gained or lost, gas included. */
const balanceChanges = (execution: Execution): GrpcTypes.BalanceChange[] => {
  const totals = new Map<string, { address: string; coinType: string; amount: bigint }>();
  const add = (object: ChainObject | undefined, sign: bigint): void => {
    const coinType = object && coinTypeOf(object.objectType);
    if (!object || coinType === undefined || object.owner.type !== 'address') return;
    const { address } = object.owner;
    const key = `${address} ${coinType}`;
    const entry = totals.get(key) ?? { address, coinType, amount: 0n };
    entry.amount += sign * coinBalance(object.contents);
    totals.set(key, entry);
  };
  for (const { before, after } of execution.objects) {
    add(before, -1n);
    add(after, 1n);
  }
  return [...totals.values()]
    .filter(({ amount }) => amount !== 0n)
    .map(({ address, coinType, amount }) => ({ address, coinType, amount: amount.toString() }));
};

const timestampOf = (ms: number): { seconds: bigint; nanos: number } => ({
  seconds: BigInt(Math.floor(ms / 1000)),
  nanos: (ms % 1000) * 1_000_000,
});

/** What the chain tells of a transaction that has run, at its place in the order. */
export const executedOf = (
  execution: Execution,
  init: {
    readonly transaction: GrpcTypes.Transaction;
    readonly sender: string;
    readonly signatures: readonly Uint8Array[];
    readonly sequence: number;
    readonly timeMs: number;
    readonly vm: MoveVm;
  },
): GrpcTypes.ExecutedTransaction => {
  const { transaction, sender, signatures, sequence, timeMs, vm } = init;
  const checkpoint = BigInt(sequence + 1);
  const events = toProtoEvents(execution, sender, vm).map((event) => ({ ...event, checkpoint }));
  return {
    digest: execution.digest,
    transaction: { ...transaction, digest: execution.digest },
    signatures: signatures.map((value) => ({
      bcs: { value },
      signature: { oneofKind: undefined },
    })),
    effects: toProtoEffects(execution),
    ...(events.length > 0 ? { events: { events } } : {}),
    balanceChanges: balanceChanges(execution),
    checkpoint,
    timestamp: timestampOf(timeMs),
  };
};
