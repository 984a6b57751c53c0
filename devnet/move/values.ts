/**
 * @module Values at run time: references, deep copies, deep equality. A reference is a container
 * and an index: the locals of a frame, the fields of a struct or variant, the elements of a vector,
 * or the one-element holder of an object.
 */
import { fault } from './fault.ts';
import type { Address, Value, VariantValue } from './types.ts';

/** A value on the operand stack or in a local. */
export type Slot = Value | Ref | undefined;

export class Ref {
  readonly container: Slot[];
  readonly index: number;

  constructor(container: Slot[], index: number) {
    this.container = container;
    this.index = index;
  }
  /**
   * The value referred to. @throws Fault when it was moved away, which a verifier of borrows would
   * have refused.
   */
  get(): Value {
    const value = this.container[this.index];
    if (value === undefined || value instanceof Ref)
      throw fault('invariant', 'a reference to something that was moved');
    return value;
  }
  set(value: Value): void {
    this.container[this.index] = value;
  }
}

/**
 * A boolean, number, bigint or text by the type checker's word, checked again. @throws Fault
 * `invariant`.
 */
export const asNumber = (slot: Slot): number => {
  if (typeof slot !== 'number') throw fault('invariant', 'a narrow integer is expected');
  return slot;
};
export const asBigint = (slot: Slot): bigint => {
  if (typeof slot !== 'bigint') throw fault('invariant', 'a wide integer is expected');
  return slot;
};
export const asInteger = (slot: Slot): number | bigint => {
  if (typeof slot !== 'number' && typeof slot !== 'bigint')
    throw fault('invariant', 'an integer is expected');
  return slot;
};
export const asAddress = (slot: Slot): Address => {
  if (typeof slot !== 'string') throw fault('invariant', 'an address is expected');
  return slot;
};
/** The fields of a struct or elements of a vector. */
export const asArray = (slot: Slot): Value[] => {
  if (!Array.isArray(slot)) throw fault('invariant', 'a struct or vector is expected');
  return slot;
};
/** The elements of a `vector<u8>`. */
export const asBytes = (slot: Slot): number[] => {
  const items = asArray(slot);
  if (!items.every((item) => typeof item === 'number'))
    throw fault('invariant', 'bytes are expected');
  return items;
};
export const isVariant = (slot: Slot): slot is VariantValue =>
  typeof slot === 'object' && 'tag' in slot;

/** Number of leaves and containers of a value, for gas; stops counting at `most`. */
export const sizeOf = (value: Value, most = Number.MAX_SAFE_INTEGER): number => {
  if (typeof value !== 'object') return 1;
  const items = Array.isArray(value) ? value : value.fields;
  // A vector of plain values needs no walk.
  if (items.length === 0 || typeof items[0] !== 'object') {
    if (items.every((item) => typeof item !== 'object')) return items.length + 1;
  }
  let size = 1;
  for (const item of items) {
    size += sizeOf(item, most - size);
    if (size > most) return size;
  }
  return size;
};

export const copyValue = (value: Value): Value => {
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(copyValue);
  return { tag: value.tag, fields: value.fields.map(copyValue) };
};

export const equalValues = (a: Value, b: Value): boolean => {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a))
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => {
        const other = b[i];
        return other !== undefined && equalValues(item, other);
      })
    );
  return !Array.isArray(b) && a.tag === b.tag && equalValues(a.fields, b.fields);
};
