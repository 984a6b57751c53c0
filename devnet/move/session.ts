/**
 * @module One transaction on the machine: arguments in, calls, cells between them, effects out.
 */
import { DevnetError } from '../errors.ts';
import type { LoadedFunction } from './code.ts';
import { Fault, fault } from './fault.ts';
import { isDatatype, pointee } from './linker.ts';
import { type LinkContext, Machine, type Native } from './machine.ts';
import { bindNative, nativeName } from './natives/index.ts';
import { ObjectRuntime } from './objects.ts';
import type { PackageStore } from './packages.ts';
import { isTxContext } from './rules.ts';
import { type MoveType, type TypeTable, abilitiesOf, tagOf } from './typing.ts';
import {
  ABILITY,
  type CallArgument,
  type CallRequest,
  type CallResult,
  type Cell,
  DEFAULT_LIMITS,
  type Limits,
  type MoveSession,
  type ObjectReader,
  type Owner,
  type SessionEffects,
  type TransactionContext,
  type TypeTag,
  type Address,
  type Value,
} from './types.ts';
import { Ref, copyValue, type Slot } from './values.ts';

export interface SessionOptions {
  readonly objects: ObjectReader;
  readonly context: TransactionContext;
  readonly limits?: Partial<Limits>;
  readonly inputs?: ReadonlyMap<Address, Owner>;
}

/**
 * A cell of this machine; the value sits in a one-element holder, so that references can be lent.
 */
class TypedCell implements Cell {
  readonly moveType: MoveType;
  readonly holder: Slot[];
  constructor(moveType: MoveType, value: Value) {
    this.moveType = moveType;
    this.holder = [value];
  }
  get type(): TypeTag {
    return tagOf(this.moveType);
  }
  get value(): Value | undefined {
    const slot = this.holder[0];
    return slot instanceof Ref ? slot.get() : slot;
  }
  set value(value: Value | undefined) {
    this.holder[0] = value;
  }
  take(): Value {
    const { value } = this;
    if (value === undefined) throw fault('argument', 'the value was moved before');
    this.holder[0] = undefined;
    return value;
  }
}

/** Use of cells within one call. */
type Uses = Map<Cell, 'read' | 'exclusive'>;

/** Types whose values may be written down by anybody: no structs but texts, ids and options. */
export const isPure = (type: MoveType): boolean => {
  if (type.kind === 'vector') return isPure(type.of);
  if (type.kind !== 'datatype') return !['signer', 'reference', 'parameter'].includes(type.kind);
  if (isDatatype(type, '0x1', 'option', 'Option')) return type.args.every(isPure);
  return (
    isDatatype(type, '0x1', 'string', 'String') ||
    isDatatype(type, '0x1', 'ascii', 'String') ||
    isDatatype(type, '0x2', 'object', 'ID')
  );
};

export class Session implements MoveSession {
  readonly #types: TypeTable;
  readonly #packages: PackageStore;
  readonly #limits: Limits;
  readonly #machine: Machine;
  readonly #objects: ObjectRuntime;
  readonly #natives = new Map<LoadedFunction, Native>();
  /** The `TxContext` struct; the fields that code can reach without a native. */
  readonly #context: Ref;
  #failed = false;

  constructor(types: TypeTable, packages: PackageStore, options: SessionOptions) {
    const { context } = options;
    if (context.digest.length !== 32)
      throw new DevnetError(
        'argument_invalid',
        `a digest of ${context.digest.length} bytes, expected 32`,
      );
    this.#types = types;
    this.#packages = packages;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#machine = new Machine(types, this.#limits);
    this.#objects = new ObjectRuntime(
      types,
      this.#limits,
      options.objects,
      context,
      options.inputs ?? new Map(),
      (steps) => this.#machine.charge(steps),
    );
    const digest = Array.from(context.digest);
    const fields = [context.sender, digest, context.epoch, context.epochTimestampMs, 0n];
    this.#context = new Ref([fields], 0);
  }

  get #spent(): number {
    return this.#limits.steps - this.#machine.left;
  }

  callFunction(request: CallRequest): CallResult {
    const before = this.#spent;
    try {
      if (this.#failed) throw fault('argument', 'the session has failed; begin another');
      const returns = this.#call(request);
      return { status: 'success', returns, steps: this.#spent - before };
    } catch (error) {
      this.#failed = true;
      const failure = failureOf(error);
      return { status: 'failure', failure, steps: this.#spent - before };
    }
  }

  #call(request: CallRequest): Cell[] {
    const loaded = this.#packages.get(request.package);
    const fn = loaded?.modules.get(request.module)?.functions.get(request.function);
    const name = `${request.package}::${request.module}::${request.function}`;
    if (loaded === undefined || fn === undefined)
      throw fault('function_not_found', `function ${name} does not exist`);
    if (request.bypassVisibility !== true && fn.visibility !== 'public' && !fn.isEntry)
      throw fault('visibility', `function ${name} is neither public nor entry`);
    const types = (request.typeArguments ?? []).map((tag) => this.#types.parse(tag));
    this.#types.checkArguments(types, fn.typeParameters);
    const parameters = fn.parameters.map((type) => this.#types.substitute(type, types));
    const given = request.arguments ?? [];
    const wanted = isTxContext(parameters.at(-1)) ? parameters.slice(0, -1) : parameters;
    if (given.length !== wanted.length)
      throw fault('argument', `${name} takes ${wanted.length} arguments, got ${given.length}`);
    const used: Uses = new Map();
    const args = wanted.map((type, i) => this.#argument(type, given[i], i, used));
    if (wanted.length < parameters.length) args.push(this.#context);
    this.#objects.command = { package: request.package, module: request.module };
    const results = this.#machine.run(this.#linkContext(loaded.info.linkage), fn, types, args);
    return fn.returns.map((open, i) => {
      const type = this.#types.substitute(open, types);
      const slot = results[i];
      if (slot === undefined) throw fault('invariant', `${name} returned too little`);
      return new TypedCell(pointee(type), slot instanceof Ref ? copyValue(slot.get()) : slot);
    });
  }

  #linkContext(linkage: ReadonlyMap<Address, Address>): LinkContext {
    const resolved = new Map<object, LoadedFunction>();
    return {
      resolve: (ref) => {
        const known = resolved.get(ref);
        if (known !== undefined) return known;
        const found = this.#packages.find(linkage, ref);
        if (found === undefined)
          throw fault('link', `${ref.originalId}::${ref.module}::${ref.name} is not linked`);
        resolved.set(ref, found);
        return found;
      },
      native: (fn) => {
        const known = this.#natives.get(fn);
        if (known !== undefined) return known;
        const native = bindNative(nativeName(fn.module.originalId, fn.module.name, fn.name), {
          types: this.#types,
          machine: this.#machine,
          objects: this.#objects,
        });
        this.#natives.set(fn, native);
        return native;
      },
    };
  }

  /**
   * Turns an argument into what the parameter takes; `used` holds what this call has done with
   * cells so far.
   */
  #argument(type: MoveType, argument: CallArgument | undefined, index: number, used: Uses): Slot {
    try {
      if (argument === undefined) throw fault('argument', 'missing');
      const target = pointee(type);
      if (argument.type === 'bcs') {
        if (!isPure(target)) throw fault('argument', `${tagOf(target)} is not a pure type`);
        const value = this.#objects.decode(target, argument.bytes);
        return type.kind === 'reference' ? new Ref([value], 0) : value;
      }
      const { cell } = argument;
      if (!(cell instanceof TypedCell) || cell.moveType !== target)
        throw fault('argument', `expected ${tagOf(target)}, got ${cell.type}`);
      const before = used.get(cell);
      const exclusive = type.kind === 'reference' ? type.mutable : argument.copy !== true;
      // As in any Move code: one exclusive use, or any number that only read.
      if (before === 'exclusive' || (exclusive && before !== undefined))
        throw fault('argument', 'the value is used twice in one call');
      if (cell.value === undefined) throw fault('argument', 'the value was moved before');
      used.set(cell, exclusive ? 'exclusive' : 'read');
      if (type.kind === 'reference') return new Ref(cell.holder, 0);
      if (exclusive) return cell.take();
      if ((abilitiesOf(target) & ABILITY.copy) === 0)
        throw fault('argument', `${tagOf(target)} cannot be copied`);
      return copyValue(cell.value);
    } catch (error) {
      if (!(error instanceof Fault) || error.failure.type !== 'argument') throw error;
      throw new Fault({
        ...error.failure,
        message: `argument ${index}: ${error.failure.message}`,
        argument: index,
      });
    }
  }

  cell(type: TypeTag, bytes: Uint8Array): Cell {
    return outside(() => {
      const moveType = this.#types.parse(type);
      return new TypedCell(moveType, this.#objects.decode(moveType, bytes));
    });
  }

  vector(elementType: TypeTag, elements: readonly CallArgument[]): Cell {
    return outside(() => {
      const type = this.#types.parse(elementType);
      const used: Uses = new Map();
      const items = elements.map((element, i) => {
        const item = this.#argument(type, element, i, used);
        if (item === undefined || item instanceof Ref)
          throw fault('argument', 'a value is expected');
        return item;
      });
      return new TypedCell(this.#types.vector(type), items);
    });
  }

  bytes(cell: Cell): Uint8Array {
    return outside(() => {
      if (!(cell instanceof TypedCell) || cell.value === undefined)
        throw fault('argument', 'the value was moved before');
      return this.#objects.encode(cell.moveType, cell.value);
    });
  }

  abilities(type: TypeTag): number {
    return outside(() => abilitiesOf(this.#types.parse(type)));
  }

  give(cell: Cell, owner: Owner): void {
    outside(() => {
      if (!(cell instanceof TypedCell) || (abilitiesOf(cell.moveType) & ABILITY.key) === 0)
        throw fault('argument', `${cell.type} is not an object`);
      this.#objects.give(cell.moveType, cell.take(), owner);
    });
  }

  freshId(): Address {
    return outside(() => this.#objects.freshId());
  }

  charge(steps: number): boolean {
    const enough = steps <= this.#machine.left;
    this.#machine.left = Math.max(0, this.#machine.left - steps);
    return enough;
  }

  effects(): SessionEffects {
    return outside(() => {
      const draft = this.#objects.effects(0);
      return { ...draft, steps: this.#spent };
    });
  }
}

const failureOf = (error: unknown): Fault['failure'] => {
  if (error instanceof Fault) return error.failure;
  // Deep recursion of a native or of a copy: the host's stack, not the program's, gives out.
  if (error instanceof RangeError) return { type: 'limit', message: error.message };
  throw error;
};

/** Runs what the chain calls directly; a fault becomes the package's own error. */
export const outside = <T>(run: () => T): T => {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new DevnetError('argument_invalid', error.failure.message, { cause: error });
  }
};
