/**
 * @module The commands of a programmable transaction, executed in order on the places of one Move
 * session. Results without `drop` must be used up at the end.
 */
import { bcs } from '@mysten/sui/bcs';
import type { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import {
  ABILITY,
  type CallArgument,
  type Cell,
  type FunctionInfo,
  type MoveSession,
  type MoveVm,
  type PackageInfo,
} from '../move/types.ts';
import { argumentFailure, failure, moveFailure } from './failure.ts';
import { requireAddress, type ResolvedInput } from './inputs.ts';
import { FRAMEWORK, Places } from './places.ts';
import { addressBytes, addressOf, blake2b256, u64le } from './objects.ts';

export const SUI_TYPE = `${FRAMEWORK}::sui::SUI`;
/** `Coin<T>` of the framework, with full addresses. */
export const coinType = (type: string): string => `${FRAMEWORK}::coin::Coin<${type}>`;
export const SUI_COIN = coinType(SUI_TYPE);
const UPGRADE_CAP = `${FRAMEWORK}::package::UpgradeCap`;
const UPGRADE_TICKET = `${FRAMEWORK}::package::UpgradeTicket`;
const UPGRADE_RECEIPT = `${FRAMEWORK}::package::UpgradeReceipt`;
const RECEIVING = `${FRAMEWORK}::transfer::Receiving<`;

const instantiate = (type: string, typeArguments: readonly string[]): string =>
  type.replace(
    /(?<![:\w])T(\d+)\b/g,
    (whole, index: string) => typeArguments[Number(index)] ?? whole,
  );

/** What `Publish` and `Upgrade` leave to the chain. */
export interface PublishedPackage {
  readonly info: PackageInfo;
  readonly version: bigint;
}

/** Runs commands; not usable after it threw. */
export class CommandRunner {
  readonly #vm: MoveVm;
  readonly #session: MoveSession;
  readonly #places: Places;
  readonly published: PublishedPackage[] = [];

  constructor(options: {
    readonly vm: MoveVm;
    readonly session: MoveSession;
    readonly inputs: readonly ResolvedInput[];
    readonly gasContents: Uint8Array;
  }) {
    const { vm, session, inputs, gasContents } = options;
    this.#vm = vm;
    this.#session = session;
    this.#places = new Places(session, inputs, session.cell(SUI_COIN, gasContents));
  }

  get gasCell(): Cell {
    return this.#places.gasCell;
  }

  /** The cell of an object input, if any command has used it. */
  inputCell(index: number): Cell | undefined {
    return this.#places.inputCell(index);
  }

  /** The results of every command so far, for dry runs. */
  get results(): readonly (readonly Cell[])[] {
    return this.#places.results;
  }

  /** @throws {ExecutionFailure} when the command fails. */
  run({ command }: GrpcTypes.Command): void {
    switch (command.oneofKind) {
      case 'moveCall':
        this.#places.results.push(this.#moveCall(command.moveCall));
        return;
      case 'splitCoins':
        this.#places.results.push(this.#splitCoins(command.splitCoins));
        return;
      case 'mergeCoins':
        this.#mergeCoins(command.mergeCoins);
        this.#places.results.push([]);
        return;
      case 'transferObjects':
        this.#transferObjects(command.transferObjects);
        this.#places.results.push([]);
        return;
      case 'makeMoveVector':
        this.#places.results.push([this.#makeMoveVector(command.makeMoveVector)]);
        return;
      case 'publish':
        this.#places.results.push([this.#publish(command.publish)]);
        return;
      case 'upgrade':
        this.#places.results.push([this.#upgrade(command.upgrade)]);
        return;
      case undefined:
        throw failure('ARITY_MISMATCH', 'expected a command');
    }
  }

  /** Checks that nothing which must be used up was left over. */
  finish(): void {
    for (const [command, cells] of this.#places.results.entries())
      for (const [index, cell] of cells.entries())
        if (cell.value !== undefined && !(this.#session.abilities(cell.type) & ABILITY.drop))
          throw failure(
            'UNUSED_VALUE_WITHOUT_DROP',
            `result ${index} of command ${command} (${cell.type}) has no drop and was not used`,
          );
  }

  #typeTag(type: string): string {
    const tag = this.#vm.normaliseTag(type);
    if (tag === undefined) throw failure('TYPE_ARGUMENT_ERROR', `type ${type} is not known`);
    return tag;
  }

  #moveCall(call: GrpcTypes.MoveCall): readonly Cell[] {
    const packageId = requireAddress(call.package, 'a package');
    const target = `${packageId}::${call.module}::${call.function}`;
    const info = this.#vm.getFunction(packageId, call.module ?? '', call.function ?? '');
    if (!info) throw failure('FUNCTION_NOT_FOUND', `there is no function ${target}`);
    const expected = info.parameters.length - (info.txContext === 'none' ? 0 : 1);
    if (call.arguments.length !== expected)
      throw failure(
        'ARITY_MISMATCH',
        `${target} takes ${expected} arguments, got ${call.arguments.length}`,
      );
    if (info.returns.some(({ reference }) => reference !== 'none'))
      throw failure('INVALID_PUBLIC_FUNCTION_RETURN_TYPE', `${target} returns a reference`);
    const typeArguments = call.typeArguments.map((type) => this.#typeTag(type));
    const args = call.arguments.map((argument, position) =>
      this.#callArgument(info, typeArguments, argument, position),
    );
    this.#checkAliases(info, args);
    const result = this.#session.callFunction({
      package: packageId,
      module: call.module ?? '',
      function: call.function ?? '',
      typeArguments,
      arguments: args,
    });
    if (result.status === 'failure') throw moveFailure(result.failure);
    return result.returns;
  }

  #callArgument(
    info: FunctionInfo,
    typeArguments: readonly string[],
    argument: GrpcTypes.Argument,
    position: number,
  ): CallArgument {
    const parameter = info.parameters[position];
    if (!parameter) throw argumentFailure(position, 'INVALID_ARGUMENT_ARITY', 'no such parameter');
    const type = instantiate(parameter.type, typeArguments);
    const place = this.#places.place(argument, position);
    if (place.type === 'pure')
      return { type: 'cell', cell: this.#places.decode(type, place.bytes, position) };
    if (place.type === 'receiving') {
      if (!type.startsWith(RECEIVING))
        throw argumentFailure(
          position,
          'TYPE_MISMATCH',
          `expected ${type}, got an object to receive`,
        );
      const ticket = Buffer.concat([addressBytes(place.id), u64le(place.version)]);
      return { type: 'cell', cell: this.#session.cell(type, ticket) };
    }
    this.#places.checkPresent(place.cell, position);
    if (place.cell.type !== type)
      throw argumentFailure(position, 'TYPE_MISMATCH', `expected ${type}, got ${place.cell.type}`);
    if (parameter.reference === 'immutable') return { type: 'cell', cell: place.cell };
    if (parameter.reference === 'mutable') {
      if (!place.mutable) throw this.#places.notMutable(position, place.from);
      return { type: 'cell', cell: place.cell };
    }
    const copy = (this.#session.abilities(type) & ABILITY.copy) !== 0;
    if (copy) return { type: 'cell', cell: place.cell, copy };
    return { type: 'cell', cell: this.#places.take(argument, position) };
  }

  /** One place may be lent several times for reading, or once for anything else. */
  #checkAliases(info: FunctionInfo, args: readonly CallArgument[]): void {
    const exclusive = new Set<Cell>();
    const shared = new Set<Cell>();
    args.forEach((argument, position) => {
      if (argument.type !== 'cell' || argument.copy) return;
      const readOnly = info.parameters[position]?.reference === 'immutable';
      if (exclusive.has(argument.cell) || (!readOnly && shared.has(argument.cell)))
        throw argumentFailure(position, 'INVALID_VALUE_USAGE', 'the value is already lent');
      (readOnly ? shared : exclusive).add(argument.cell);
    });
  }

  #framework(
    module: string,
    name: string,
    typeArguments: readonly string[],
    args: readonly CallArgument[],
  ): readonly Cell[] {
    const result = this.#session.callFunction({
      package: FRAMEWORK,
      module,
      function: name,
      typeArguments,
      arguments: args,
    });
    if (result.status === 'failure') throw moveFailure(result.failure);
    return result.returns;
  }

  #innerCoin(cell: Cell, position: number): string {
    const match = /^(.*)::coin::Coin<(.*)>$/.exec(cell.type);
    if (match?.[1] !== FRAMEWORK || match[2] === undefined)
      throw argumentFailure(position, 'TYPE_MISMATCH', `expected a coin, got ${cell.type}`);
    return match[2];
  }

  #splitCoins({ coin, amounts }: GrpcTypes.SplitCoins): readonly Cell[] {
    const cell = this.#places.borrow(coin, 0);
    const type = this.#innerCoin(cell, 0);
    return amounts.map((amount, index) => {
      const bytes = this.#places.primitive(amount, index + 1, 'u64');
      const balance = this.#session.bytes(cell).slice(32);
      if (BigInt(bcs.u64().parse(bytes)) > BigInt(bcs.u64().parse(balance)))
        throw failure('INSUFFICIENT_COIN_BALANCE', 'the coin holds less than the amount to split');
      const [result] = this.#framework(
        'coin',
        'split',
        [type],
        [
          { type: 'cell', cell },
          { type: 'bcs', bytes },
        ],
      );
      if (!result) throw failure('INVARIANT_VIOLATION', 'coin::split gave no coin');
      return result;
    });
  }

  #mergeCoins({ coin, coinsToMerge }: GrpcTypes.MergeCoins): void {
    const target = this.#places.borrow(coin, 0);
    const type = this.#innerCoin(target, 0);
    coinsToMerge.forEach((argument, index) => {
      const cell = this.#places.take(argument, index + 1);
      if (cell === target)
        throw argumentFailure(index + 1, 'INVALID_VALUE_USAGE', 'a coin cannot join itself');
      if (cell.type !== target.type)
        throw argumentFailure(
          index + 1,
          'TYPE_MISMATCH',
          `expected ${target.type}, got ${cell.type}`,
        );
      this.#framework(
        'coin',
        'join',
        [type],
        [
          { type: 'cell', cell: target },
          { type: 'cell', cell },
        ],
      );
    });
  }

  #transferObjects({ objects, address }: GrpcTypes.TransferObjects): void {
    const recipient = addressOf(this.#places.primitive(address, objects.length, 'address'));
    objects.forEach((argument, position) => {
      const place = this.#places.place(argument, position);
      if (place.type === 'cell' && place.from === 'shared')
        throw failure('CONSENSUS_OBJECT_OPERATION_NOT_ALLOWED', 'a shared object cannot be given');
      const cell = this.#places.take(argument, position, true);
      const abilities = this.#session.abilities(cell.type);
      if (!(abilities & ABILITY.key) || !(abilities & ABILITY.store))
        throw argumentFailure(
          position,
          'INVALID_TRANSFER_OBJECT',
          `${cell.type} needs key and store to be transferred`,
        );
      this.#session.give(cell, { type: 'address', address: recipient });
    });
  }

  #makeMoveVector({ elementType, elements }: GrpcTypes.MakeMoveVector): Cell {
    let type = elementType === undefined ? undefined : this.#typeTag(elementType);
    const parts = elements.map((argument, position): CallArgument => {
      const place = this.#places.place(argument, position);
      if (place.type === 'pure') {
        if (type === undefined)
          throw argumentFailure(position, 'TYPE_MISMATCH', 'expected the type of the elements');
        return { type: 'cell', cell: this.#places.decode(type, place.bytes, position) };
      }
      const cell = this.#places.take(argument, position);
      type ??= cell.type;
      if (cell.type !== type)
        throw argumentFailure(position, 'TYPE_MISMATCH', `expected ${type}, got ${cell.type}`);
      return { type: 'cell', cell, copy: (this.#session.abilities(type) & ABILITY.copy) !== 0 };
    });
    if (type === undefined)
      throw failure('ARITY_MISMATCH', 'expected the type of the elements of an empty vector');
    const taken = new Set<Cell>();
    for (const [position, part] of parts.entries())
      if (part.type === 'cell' && !part.copy) {
        if (taken.has(part.cell))
          throw argumentFailure(position, 'INVALID_VALUE_USAGE', 'the value was already taken');
        taken.add(part.cell);
      }
    return this.#session.vector(type, parts);
  }

  #register(
    modules: readonly Uint8Array[],
    dependencies: readonly string[],
    upgrades?: PackageInfo,
  ) {
    const storageId = this.#session.freshId();
    const result = this.#vm.publish({
      storageId,
      modules,
      dependencies: dependencies.map((id) => requireAddress(id, 'a dependency')),
      ...(upgrades ? { upgrades: upgrades.storageId } : {}),
    });
    if (result.status === 'failure') throw moveFailure(result.failure);
    const version = upgrades ? upgrades.version + 1n : 1n;
    this.published.push({ info: result.package, version });
    return result.package;
  }

  #publish({ modules, dependencies }: GrpcTypes.Publish): Cell {
    const info = this.#register(modules, dependencies);
    for (const module of info.modules)
      if (module.info.hasInit) {
        const { witness } = module.info;
        const result = this.#session.callFunction({
          package: info.storageId,
          module: module.name,
          function: 'init',
          arguments: witness
            ? [{ type: 'cell', cell: this.#session.cell(witness, Uint8Array.of(0)) }]
            : [],
          bypassVisibility: true,
        });
        if (result.status === 'failure') throw moveFailure(result.failure);
      }
    const cap = [
      addressBytes(this.#session.freshId()),
      addressBytes(info.storageId),
      u64le(1),
      Uint8Array.of(0),
    ];
    return this.#session.cell(UPGRADE_CAP, Buffer.concat(cap));
  }

  #upgrade({ modules, dependencies, package: id, ticket }: GrpcTypes.Upgrade): Cell {
    const current = this.#vm.getPackage(requireAddress(id, 'the package to upgrade'));
    if (!current) throw failure('PACKAGE_UPGRADE_ERROR', `there is no package ${id}`);
    const cell = this.#places.take(ticket, 0);
    if (cell.type !== UPGRADE_TICKET)
      throw argumentFailure(0, 'TYPE_MISMATCH', `expected ${UPGRADE_TICKET}, got ${cell.type}`);
    const fields = bcs
      .struct('UpgradeTicket', {
        cap: bcs.Address,
        package: bcs.Address,
        policy: bcs.u8(),
        digest: bcs.byteVector(),
      })
      .parse(this.#session.bytes(cell));
    if (normalizeSuiAddress(fields.package) !== current.storageId)
      throw failure('PACKAGE_UPGRADE_ERROR', `the ticket is for package ${fields.package}`);
    if (!Buffer.from(packageDigest(modules, dependencies)).equals(Buffer.from(fields.digest)))
      throw failure('PACKAGE_UPGRADE_ERROR', 'the ticket is for other modules');
    cell.value = undefined;
    const info = this.#register(modules, dependencies, current);
    return this.#session.cell(
      UPGRADE_RECEIPT,
      Buffer.concat([addressBytes(fields.cap), addressBytes(info.storageId)]),
    );
  }
}

/**
 * The digest that an upgrade ticket commits to: blake2b256 over the sorted hashes of the modules
 * and the ids of the dependencies.
 */
export const packageDigest = (
  modules: readonly Uint8Array[],
  dependencies: readonly string[],
): Uint8Array => {
  const parts = [...modules.map((module) => blake2b256(module)), ...dependencies.map(addressBytes)];
  return blake2b256(...parts.toSorted((a, b) => Buffer.compare(a, b)));
};
