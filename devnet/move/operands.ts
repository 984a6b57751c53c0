/**
 * @module Operands on the machine's stack, each of the kind that an instruction expects. Checked
 * code always finds them.
 */
import { VECTOR, fault } from './fault.ts';
import type { Value, VariantValue } from './types.ts';
import { Ref, isVariant, type Slot } from './values.ts';

export const popValue = (stack: Slot[]): Value => {
  const value = stack.pop();
  if (value === undefined || value instanceof Ref) throw fault('invariant', 'a value is expected');
  return value;
};

/** The topmost values, in the order in which they were pushed. */
export const takeValues = (stack: Slot[], count: number): Value[] => {
  const values: Value[] = [];
  for (const slot of stack.splice(stack.length - count)) {
    if (slot === undefined || slot instanceof Ref) throw fault('invariant', 'a value is expected');
    values.push(slot);
  }
  return values;
};

export const popRef = (stack: Slot[]): Ref => {
  const ref = stack.pop();
  if (!(ref instanceof Ref)) throw fault('invariant', 'a reference is expected');
  return ref;
};

export const popVariant = (value: Value): VariantValue => {
  if (!isVariant(value)) throw fault('invariant', 'an enum value is expected');
  return value;
};

export const expectTag = (value: VariantValue, tag: number): void => {
  if (value.tag !== tag) throw fault('invariant', `variant ${value.tag}, expected ${tag}`);
};

export const position = (items: readonly Value[], index: bigint): number => {
  if (index >= BigInt(items.length))
    throw fault('vector', `index ${index} of a vector of ${items.length}`, { code: VECTOR.index });
  return Number(index);
};
