/**
 * @module One function body during its check: the types on its operand stack, and the requirements
 * of the instructions.
 */
import type { FunctionRef, LoadedFunction, Step } from './code.ts';
import { fault } from './fault.ts';
import type { CompiledModule, FunctionBody, Token } from './module.ts';
import { opName } from './opcodes.ts';
import {
  type Datatype,
  type MoveType,
  type TypeTable,
  abilitiesOf,
  tagOf,
  widthOf,
} from './typing.ts';
import type { Value } from './types.ts';

/** Most elements of VecPack and VecUnpack. */
export const VECTOR_LITERAL = 65_536;

/** A function's signature, known before its body is checked. */
export type Signature = Omit<LoadedFunction, 'code' | 'droppable' | 'locals'>;

/** An instruction as the machine will run it, while its rule fills it in. */
export interface StepDraft extends Step {
  op: number;
  n: number;
  m: number;
  value: Value;
  types: readonly MoveType[];
  callee: FunctionRef | undefined;
  targets: readonly number[];
}

/**
 * What one instruction does to the stack and to the step that it becomes; throws when it is
 * ill-typed.
 */
export type Rule = (
  body: Body,
  step: StepDraft,
  instruction: { readonly op: number; readonly arg: number; readonly count: number },
) => void;

/** Rules by instruction. */
export type Rules = ReadonlyMap<number, Rule>;

/** One rule for several instructions. */
export const rules = (ops: readonly number[], rule: Rule): [number, Rule][] =>
  ops.map((op) => [op, rule]);

export interface HandleTarget {
  readonly ref: FunctionRef;
  readonly typeParameters: readonly number[];
  readonly parameters: readonly MoveType[];
  readonly returns: readonly MoveType[];
}

/** A type of the module, instantiated. */
interface Instance {
  readonly type: MoveType;
  readonly fields: readonly MoveType[];
}

/** The module of a body, as its check reads it. Every method throws if the module is ill-formed. */
export interface LinkedModule {
  readonly binary: CompiledModule;
  readonly types: TypeTable;
  type(token: Token): MoveType;
  checkType(type: MoveType, scope: readonly number[]): void;
  datatype(handle: number): Datatype;
  functionHandle(index: number): HandleTarget;
  struct(definition: number, args: readonly MoveType[], scope: readonly number[]): Instance;
  variant(
    definition: number,
    tag: number,
    args: readonly MoveType[],
    scope: readonly number[],
  ): Instance;
}

export class Body {
  readonly linker: LinkedModule;
  readonly types: TypeTable;
  readonly binary: CompiledModule;
  readonly fn: Signature;
  readonly raw: FunctionBody;
  readonly stack: MoveType[] = [];
  readonly #locals: readonly MoveType[];
  /** The instruction that is being checked. */
  at = 0;

  constructor(linker: LinkedModule, fn: Signature, locals: readonly MoveType[]) {
    const raw = linker.binary.functions[fn.index]?.body;
    if (raw === undefined) throw fault('invariant', 'a native function has no body');
    this.linker = linker;
    this.types = linker.types;
    this.binary = linker.binary;
    this.fn = fn;
    this.raw = raw;
    this.#locals = locals;
  }

  /** The fault of the current instruction. */
  fail(what: string): Error {
    const { module, name } = this.fn;
    const op = opName(this.raw.code[this.at]?.op ?? 0);
    return fault('invariant', `${module.name}::${name}, instruction ${this.at} (${op}): ${what}`);
  }

  push(...types: readonly MoveType[]): void {
    this.stack.push(...types);
  }

  pop(): MoveType {
    const type = this.stack.pop();
    if (type === undefined) throw this.fail('the stack is empty');
    return type;
  }

  popExact(type: MoveType): void {
    const got = this.pop();
    if (got !== type) throw this.fail(`expected ${tagOf(type)}, got ${tagOf(got)}`);
  }

  /** Pops types that were pushed in this order. */
  popAll(wanted: readonly MoveType[]): void {
    for (const type of wanted.toReversed()) this.popExact(type);
  }

  /** Bits of the integer on top, which stays. */
  topInteger(): number {
    const type = this.pop();
    const bits = widthOf(type);
    if (bits === 0) throw this.fail(`expected an integer, got ${tagOf(type)}`);
    this.push(type);
    return bits;
  }

  /** The type that the reference on top refers to. */
  popReference(mutable: boolean): MoveType {
    const type = this.pop();
    if (type.kind !== 'reference' || (mutable && !type.mutable))
      throw this.fail(`expected a ${mutable ? 'mutable ' : ''}reference, got ${tagOf(type)}`);
    return type.to;
  }

  popVectorReference(element: MoveType, mutable: boolean): void {
    if (this.popReference(mutable) !== this.types.vector(element))
      throw this.fail(`expected a reference to vector<${tagOf(element)}>`);
  }

  /** As between blocks. */
  mustBeEmpty(): void {
    if (this.stack.length > 0) throw this.fail('values are left on the stack');
  }

  need(type: MoveType, ability: number, what: string): void {
    if ((abilitiesOf(type, this.fn.typeParameters) & ability) === 0)
      throw this.fail(`${tagOf(type)} lacks ${what}`);
  }

  resolve(tokens: readonly Token[]): MoveType[] {
    const resolved = tokens.map((token) => this.linker.type(token));
    for (const type of resolved) this.linker.checkType(type, this.fn.typeParameters);
    return resolved;
  }

  local(index: number): MoveType {
    const type = this.#locals[index];
    if (type === undefined) throw this.fail(`no local ${index}`);
    return type;
  }

  /** The element type that a vector instruction names by a signature. */
  vectorElement(signature: number): MoveType {
    const [element, ...rest] = this.resolve(this.binary.signatures[signature] ?? []);
    if (element === undefined || rest.length > 0 || element.kind === 'reference')
      throw this.fail('a vector of one element type is expected');
    return element;
  }
}
