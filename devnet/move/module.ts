/**
 * @module A compiled module as read: tables with their indices checked, types by handle.
 * `binary.ts` makes it, `linker.ts` resolves it.
 */
import type { Address } from './types.ts';

export type Primitive =
  'bool' | 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256' | 'address' | 'signer';

/** A type as written in a module: datatypes by handle index, type parameters by position. */
export type Token =
  | { readonly kind: Primitive }
  | { readonly kind: 'vector'; readonly of: Token }
  | { readonly kind: 'datatype'; readonly handle: number; readonly args: readonly Token[] }
  | { readonly kind: 'reference'; readonly mutable: boolean; readonly to: Token }
  | { readonly kind: 'parameter'; readonly index: number };

export interface ModuleHandle {
  readonly address: Address;
  readonly name: string;
}
export interface DatatypeHandle {
  readonly module: number;
  readonly name: string;
  readonly abilities: number;
  readonly typeParameters: readonly { readonly constraints: number; readonly phantom: boolean }[];
}
export interface FunctionHandle {
  readonly module: number;
  readonly name: string;
  readonly parameters: readonly Token[];
  readonly returns: readonly Token[];
  readonly typeParameters: readonly number[];
}
export interface FieldDefinition {
  readonly name: string;
  readonly type: Token;
}
export interface StructDefinition {
  readonly handle: number;
  readonly fields: readonly FieldDefinition[];
}
export interface EnumDefinition {
  readonly handle: number;
  readonly variants: readonly {
    readonly name: string;
    readonly fields: readonly FieldDefinition[];
  }[];
}
export interface Instruction {
  readonly op: number;
  /** Index, branch target, small literal or, for wide literals, a bigint. */
  readonly arg: number | bigint;
  /** Number of elements of VecPack and VecUnpack. */
  readonly count: number;
}
export interface JumpTable {
  readonly enumDefinition: number;
  readonly targets: readonly number[];
}
export interface FunctionBody {
  readonly locals: readonly Token[];
  readonly code: readonly Instruction[];
  readonly jumpTables: readonly JumpTable[];
}
export interface FunctionDefinition {
  readonly handle: number;
  readonly visibility: 'private' | 'public' | 'friend';
  readonly isEntry: boolean;
  readonly body: FunctionBody | undefined;
}
export interface GenericUse {
  readonly index: number;
  readonly args: readonly Token[];
}
export interface CompiledModule {
  readonly version: number;
  readonly self: number;
  readonly moduleHandles: readonly ModuleHandle[];
  readonly datatypeHandles: readonly DatatypeHandle[];
  readonly functionHandles: readonly FunctionHandle[];
  readonly functionInstances: readonly GenericUse[];
  readonly signatures: readonly (readonly Token[])[];
  readonly constants: readonly { readonly type: Token; readonly bytes: Uint8Array }[];
  readonly structs: readonly StructDefinition[];
  readonly structInstances: readonly GenericUse[];
  readonly functions: readonly FunctionDefinition[];
  readonly fieldHandles: readonly { readonly struct: number; readonly field: number }[];
  readonly fieldInstances: readonly GenericUse[];
  readonly friends: readonly ModuleHandle[];
  readonly enums: readonly EnumDefinition[];
  readonly enumInstances: readonly GenericUse[];
  readonly variantHandles: readonly { readonly enum: number; readonly tag: number }[];
  readonly variantInstances: readonly { readonly instance: number; readonly tag: number }[];
}
