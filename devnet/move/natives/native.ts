/**
 * @module The interface of a native function: the transaction it may use and typed access to its
 * arguments.
 */
import { fault } from '../fault.ts';
import type { Machine } from '../machine.ts';
import type { ObjectRuntime } from '../objects.ts';
import type { MoveType, TypeTable } from '../typing.ts';
import type { Value } from '../types.ts';
import { Ref, asAddress, asBigint, asBytes, type Slot } from '../values.ts';

/** What a native may use: the transaction's objects, gas, types. */
export interface NativeHost {
  readonly types: TypeTable;
  readonly machine: Machine;
  readonly objects: ObjectRuntime;
}

/** A native as written in this folder: results in order, `undefined` for none. */
export type NativeFunction = (
  host: NativeHost,
  args: NativeArguments,
  types: readonly MoveType[],
) => Value | Ref | undefined;

/** Typed access to the arguments of a native; a reference is followed. */
export class NativeArguments {
  readonly #slots: readonly Slot[];
  constructor(slots: readonly Slot[]) {
    this.#slots = slots;
  }
  value(index: number): Value {
    const slot = this.#slots[index];
    if (slot === undefined) throw fault('invariant', `a native lacks argument ${index}`);
    return slot instanceof Ref ? slot.get() : slot;
  }
  bytes(index: number): Uint8Array {
    return Uint8Array.from(asBytes(this.value(index)));
  }
  address(index: number): string {
    return asAddress(this.value(index));
  }
  /** A u64, u128 or u256. */
  wide(index: number): bigint {
    return asBigint(this.value(index));
  }
}

export type NativeTable = Readonly<Record<string, NativeFunction>>;

/** A type argument that must be there. */
export const typeArgument = (types: readonly MoveType[], index = 0): MoveType => {
  const type = types[index];
  if (type === undefined) throw fault('invariant', 'a native lacks a type argument');
  return type;
};
