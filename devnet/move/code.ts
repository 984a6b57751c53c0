/**
 * @module The code that the machine runs: functions after linking, their instructions with resolved
 * types and integer widths. The binary's `Add` does not state its type; the type checker adds it.
 */
import type { CompiledModule } from './module.ts';
import type { MoveType } from './typing.ts';
import type { Address, FunctionInfo, Value } from './types.ts';

export interface FunctionRef {
  readonly originalId: Address;
  readonly module: string;
  readonly name: string;
}

/** One instruction. All have the same shape, which keeps the interpreter's loop monomorphic. */
export interface Step {
  readonly op: number;
  /** Local, field, tag, target, count or bits of the operands, by `op`. */
  readonly n: number;
  /** Second number: fields of a variant; bits of the operand of a cast. */
  readonly m: number;
  /** Literal or constant. */
  readonly value: Value;
  /** Type arguments of a call. */
  readonly types: readonly MoveType[];
  readonly callee: FunctionRef | undefined;
  readonly targets: readonly number[];
}

export interface LoadedFunction {
  readonly module: LoadedModule;
  readonly name: string;
  readonly index: number;
  readonly visibility: FunctionInfo['visibility'];
  readonly isEntry: boolean;
  readonly typeParameters: readonly number[];
  readonly parameters: readonly MoveType[];
  readonly returns: readonly MoveType[];
  /** Parameters first. */
  readonly locals: readonly MoveType[];
  /** Whether each local may be lost: overwritten, or left at return. */
  readonly droppable: readonly boolean[];
  /** Undefined for a native function. */
  readonly code: readonly Step[] | undefined;
}

export interface LoadedModule {
  readonly originalId: Address;
  readonly storageId: Address;
  readonly name: string;
  readonly functions: ReadonlyMap<string, LoadedFunction>;
  readonly binary: CompiledModule;
}
