/**
 * @module The inputs of a transaction. The stored object determines the kind of an input (owned,
 * shared, immutable, to be received), never the request. A request that claims another kind,
 * version, digest or owner is refused before anything runs.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import type { FunctionInfo, MoveVm } from '../move/types.ts';
import { GRPC, GrpcError } from './grpc-web.ts';
import type { ChainObject, StateView } from './objects.ts';
import { RANDOM_ID } from './randomness.ts';

const kinds = GrpcTypes.Input_InputKind;

/** The clock, which no transaction may write. */
export const CLOCK_ID = normalizeSuiAddress('0x6');

/** Shared objects that the chain alone writes. */
const READ_ONLY: ReadonlyMap<string, string> = new Map([
  [CLOCK_ID, 'the clock'],
  [RANDOM_ID, 'the randomness'],
]);

/** An input after it was compared with the state. */
export type ResolvedInput =
  | { readonly type: 'pure'; readonly bytes: Uint8Array }
  | {
      readonly type: 'object';
      readonly object: ChainObject;
      readonly access: 'owned' | 'shared' | 'immutable' | 'receiving';
      /** Whether the transaction may write it. */
      readonly mutable: boolean;
    };

const refuse = (message: string): GrpcError => new GrpcError(GRPC.INVALID_ARGUMENT, message);

/** The programmable transaction inside, or a refusal. */
export const programmableOf = (
  transaction: GrpcTypes.Transaction,
): GrpcTypes.ProgrammableTransaction => {
  const data = transaction.kind?.data;
  if (data?.oneofKind !== 'programmableTransaction')
    throw refuse('expected a programmable transaction');
  if (data.programmableTransaction.inputs.length > 2048)
    throw refuse('expected at most 2048 inputs');
  if (data.programmableTransaction.commands.length > 1024)
    throw refuse('expected at most 1024 commands');
  return data.programmableTransaction;
};

/** A normalised address from a request. */
export const requireAddress = (value: string | undefined, what: string): string => {
  if (value === undefined || !isValidSuiAddress(normalizeSuiAddress(value)))
    throw refuse(`expected an address for ${what}, got ${String(value)}`);
  return normalizeSuiAddress(value);
};

const stale = (object: ChainObject, version: bigint | undefined): GrpcError =>
  new GrpcError(
    GRPC.ABORTED,
    `Transaction needs to be rebuilt because object ${object.id} version ${version} is unavailable ` +
      `for consumption, current version: ${object.version}`,
  );

/** Checks that a reference names the current version and its digest. */
export const requireCurrent = (
  object: ChainObject,
  version: bigint | undefined,
  digest: string | undefined,
): void => {
  if (version !== object.version) throw stale(object, version);
  if (digest !== object.digest)
    throw refuse(`object ${object.id}: digest ${String(digest)} is not that of version ${version}`);
};

const resolveOne = (input: GrpcTypes.Input, state: StateView, sender: string): ResolvedInput => {
  if (input.kind === kinds.PURE) {
    if (!input.pure) throw refuse('expected bytes in a pure input');
    if (input.pure.length > 16_384) throw refuse('expected at most 16384 bytes in a pure input');
    return { type: 'pure', bytes: input.pure };
  }
  const id = requireAddress(input.objectId, 'an object input');
  const object = state.get(id);
  if (!object) throw new GrpcError(GRPC.NOT_FOUND, `Object ${id} not found`);
  if (object.objectType === 'package') throw refuse(`object ${id} is a package, not an input`);
  const { owner } = object;
  if (owner.type === 'object')
    throw refuse(`object ${id} is owned by object ${owner.parent} and cannot be an input`);
  if (owner.type === 'shared') {
    if (input.kind !== kinds.SHARED)
      throw refuse(`object ${id} is shared, the request says it is not`);
    if (input.version !== owner.version)
      throw refuse(`object ${id} is shared since version ${owner.version}, not ${input.version}`);
    const mutable = input.mutable ?? false;
    const system = READ_ONLY.get(id);
    if (mutable && system !== undefined) throw refuse(`${system} may only be read`);
    return { type: 'object', object, access: 'shared', mutable };
  }
  if (input.kind === kinds.RECEIVING) {
    if (owner.type !== 'address') throw refuse(`object ${id} is immutable and cannot be received`);
    requireCurrent(object, input.version, input.digest);
    return { type: 'object', object, access: 'receiving', mutable: true };
  }
  if (input.kind !== kinds.IMMUTABLE_OR_OWNED)
    throw refuse(`object ${id} is ${owner.type === 'address' ? 'owned' : 'immutable'}, not shared`);
  requireCurrent(object, input.version, input.digest);
  if (owner.type === 'immutable')
    return { type: 'object', object, access: 'immutable', mutable: false };
  if (owner.address !== sender)
    throw refuse(
      `Transaction was not signed by the correct sender: object ${id} is owned by ${owner.address}, not ${sender}`,
    );
  return { type: 'object', object, access: 'owned', mutable: true };
};

/**
 * Holds every input against the state.
 *
 * @throws {GrpcError} NOT_FOUND, ABORTED for a version that is gone, INVALID_ARGUMENT for any other
 * false claim.
 */
export const resolveInputs = (
  inputs: readonly GrpcTypes.Input[],
  state: StateView,
  sender: string,
): readonly ResolvedInput[] => {
  const seen = new Set<string>();
  return inputs.map((input) => {
    const resolved = resolveOne(input, state, sender);
    if (resolved.type === 'object') {
      if (seen.has(resolved.object.id))
        throw refuse(`object ${resolved.object.id} is an input twice`);
      seen.add(resolved.object.id);
    }
    return resolved;
  });
};

type Use = 'read' | 'write' | 'receive';

const parameterUse = (info: FunctionInfo | undefined, position: number): Use => {
  const parameter = info?.parameters[position];
  if (!parameter) return 'write';
  if (parameter.reference === 'immutable') return 'read';
  return parameter.type.startsWith(`${normalizeSuiAddress('0x2')}::transfer::Receiving<`)
    ? 'receive'
    : 'write';
};

const inputUses = (
  transaction: GrpcTypes.ProgrammableTransaction,
  vm: MoveVm,
): ReadonlyMap<number, ReadonlySet<Use>> => {
  const uses = new Map<number, Set<Use>>();
  const note = (argument: GrpcTypes.Argument | undefined, use: Use): void => {
    if (argument?.kind !== GrpcTypes.Argument_ArgumentKind.INPUT) return;
    const index = argument.input ?? 0;
    uses.set(index, (uses.get(index) ?? new Set()).add(use));
  };
  for (const { command } of transaction.commands)
    switch (command.oneofKind) {
      case 'moveCall': {
        const { package: id, module = '', function: name = '', arguments: args } = command.moveCall;
        const info = vm.getFunction(requireAddress(id, 'a package'), module, name);
        args.forEach((argument, position) => note(argument, parameterUse(info, position)));
        break;
      }
      case 'splitCoins':
        note(command.splitCoins.coin, 'write');
        break;
      case 'mergeCoins':
        for (const coin of [command.mergeCoins.coin, ...command.mergeCoins.coinsToMerge])
          note(coin, 'write');
        break;
      case 'transferObjects':
        for (const object of command.transferObjects.objects) note(object, 'write');
        break;
      case 'makeMoveVector':
        for (const element of command.makeMoveVector.elements) note(element, 'write');
        break;
      case 'upgrade':
        note(command.upgrade.ticket, 'write');
        break;
      case 'publish':
      case undefined:
        break;
    }
  return uses;
};

/**
 * Fills in what a simulated transaction left open: for inputs without a kind, the kind, version and
 * digest of the stored object, and for shared ones whether any command writes them. Inputs that
 * already say what they are stay as they are.
 */
export const completeInputs = (
  transaction: GrpcTypes.ProgrammableTransaction,
  state: StateView,
  vm: MoveVm,
): GrpcTypes.ProgrammableTransaction => {
  const uses = inputUses(transaction, vm);
  const complete = (input: GrpcTypes.Input, index: number): GrpcTypes.Input => {
    if ((input.kind ?? kinds.INPUT_KIND_UNKNOWN) !== kinds.INPUT_KIND_UNKNOWN) return input;
    const id = requireAddress(input.objectId, 'an object input');
    const object = state.get(id);
    if (!object) throw new GrpcError(GRPC.NOT_FOUND, `Object ${id} not found`);
    const use = uses.get(index) ?? new Set<Use>();
    if (object.owner.type === 'shared')
      return {
        kind: kinds.SHARED,
        objectId: id,
        version: object.owner.version,
        mutable: input.mutable ?? use.has('write'),
      };
    return {
      kind: use.has('receive') ? kinds.RECEIVING : kinds.IMMUTABLE_OR_OWNED,
      objectId: id,
      version: input.version ?? object.version,
      digest: input.digest ?? object.digest,
    };
  };
  return { ...transaction, inputs: transaction.inputs.map(complete) };
};

/**
 * Inputs by their latest version, as key servers evaluate a policy: versions and digests in the
 * request are dropped.
 */
export const relaxInputs = (
  transaction: GrpcTypes.ProgrammableTransaction,
): GrpcTypes.ProgrammableTransaction => ({
  ...transaction,
  inputs: transaction.inputs.map((input) =>
    input.kind === kinds.PURE || input.objectId === undefined
      ? input
      : { objectId: input.objectId },
  ),
});
