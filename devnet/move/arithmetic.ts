/**
 * @module Integers of Move, which never wrap. Overflow, underflow, division by zero, a shift by the
 * width or more and a cast out of range stop the call. Integers up to 32 bits are numbers, wider
 * ones bigints.
 */
import { type Fault, fault } from './fault.ts';
import { OP } from './opcodes.ts';
import type { Value } from './types.ts';
import { asInteger, asNumber, type Slot } from './values.ts';

const WIDEST: Readonly<Record<number, bigint>> = {
  64: 2n ** 64n - 1n,
  128: 2n ** 128n - 1n,
  256: 2n ** 256n - 1n,
};
/** Largest integer of up to 32 bits. */
const largest = (bits: number): number => 2 ** bits - 1;
const widest = (bits: number): bigint => WIDEST[bits] ?? 0n;

const arithmetic = (what: string): Fault => fault('arithmetic', what);

export const narrowArithmetic = (op: number, bits: number, a: number, b: number): number => {
  let result: number;
  switch (op) {
    case OP.ADD:
      result = a + b;
      break;
    case OP.SUB:
      result = a - b;
      break;
    case OP.MUL:
      // Exact below 2^53; above, still far beyond 32 bits, so the comparison decides rightly.
      result = a * b;
      break;
    case OP.DIV:
      if (b === 0) throw arithmetic('division by zero');
      return Math.floor(a / b);
    case OP.MOD:
      if (b === 0) throw arithmetic('division by zero');
      return a % b;
    case OP.BIT_AND:
      return (a & b) >>> 0;
    case OP.BIT_OR:
      return (a | b) >>> 0;
    default:
      return (a ^ b) >>> 0;
  }
  if (result < 0 || result > largest(bits)) throw arithmetic(`u${bits} out of range`);
  return result;
};

export const wideArithmetic = (op: number, bits: number, a: bigint, b: bigint): bigint => {
  let result: bigint;
  switch (op) {
    case OP.ADD:
      result = a + b;
      break;
    case OP.SUB:
      result = a - b;
      break;
    case OP.MUL:
      result = a * b;
      break;
    case OP.DIV:
      if (b === 0n) throw arithmetic('division by zero');
      return a / b;
    case OP.MOD:
      if (b === 0n) throw arithmetic('division by zero');
      return a % b;
    case OP.BIT_AND:
      return a & b;
    case OP.BIT_OR:
      return a | b;
    default:
      return a ^ b;
  }
  if (result < 0n || result > widest(bits)) throw arithmetic(`u${bits} out of range`);
  return result;
};

/** Bits shifted out are lost; a shift by the width or more is an error. */
export const shift = (op: number, bits: number, value: Slot, by: number): Value => {
  if (by >= bits) throw arithmetic(`shift of a u${bits} by ${by}`);
  if (typeof value === 'bigint')
    return op === OP.SHL ? (value << BigInt(by)) & widest(bits) : value >> BigInt(by);
  const narrow = asNumber(value);
  return op === OP.SHL ? ((narrow << by) & largest(bits)) >>> 0 : narrow >>> by;
};

export const cast = (value: Slot, bits: number): Value => {
  const integer = asInteger(value);
  if (integer > (bits > 32 ? widest(bits) : largest(bits)))
    throw arithmetic(`${integer} does not fit u${bits}`);
  return bits > 32 ? BigInt(integer) : Number(integer);
};
