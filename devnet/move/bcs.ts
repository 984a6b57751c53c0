/**
 * @module Converts values of the machine to and from BCS, by type. Decoding is strict (canonical
 * lengths, 0/1 booleans, UTF-8 for strings, no trailing bytes). Both directions refuse values
 * beyond the limits of size and depth.
 */
import { fault } from './fault.ts';
import { type MoveType, type TypeTable, tagOf } from './typing.ts';
import type { Address, Limits, Value } from './types.ts';
import { asAddress, asArray, asBigint, asBytes, asNumber, isVariant } from './values.ts';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export const addressToBytes = (address: Address): Uint8Array =>
  Uint8Array.from(Buffer.from(address.slice(2), 'hex'));

export const bytesToAddress = (bytes: ArrayLike<number>): Address => {
  let text = '0x';
  for (let i = 0; i < 32; i++) text += HEX[bytes[i] ?? 0] ?? '';
  return text;
};

class Writer {
  #bytes = new Uint8Array(256);
  length = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }
  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#most)
      throw fault('limit', `a value has more than ${this.#most} bytes in BCS`);
    if (this.length > this.#bytes.length) {
      const wider = new Uint8Array(Math.max(this.length, this.#bytes.length * 2));
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    return at;
  }
  u8(value: number): void {
    const at = this.reserve(1);
    this.#bytes[at] = value;
  }
  number(value: number, width: number): void {
    let at = this.reserve(width);
    for (let i = 0; i < width; i++) this.#bytes[at++] = value >>> (8 * i);
  }
  bigint(value: bigint, width: number): void {
    let at = this.reserve(width);
    for (let i = 0; i < width; i++, value >>= 8n) this.#bytes[at++] = Number(value & 255n);
  }
  uleb(value: number): void {
    for (; value >= 0x80; value = Math.floor(value / 128)) this.u8((value & 0x7f) | 0x80);
    this.u8(value);
  }
  many(values: ArrayLike<number>): void {
    const at = this.reserve(values.length);
    this.#bytes.set(values, at);
  }
  result(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}

type Bounds = Pick<Limits, 'valueDepth'> & { readonly bytes: number };

/** BCS of `value` as a closed `type`. */
export const encode = (
  types: TypeTable,
  type: MoveType,
  value: Value | undefined,
  bounds: Bounds,
): Uint8Array => {
  const writer = new Writer(bounds.bytes);
  const fields = (layout: readonly MoveType[], values: readonly Value[], depth: number): void => {
    for (let i = 0; i < layout.length; i++) {
      const field = layout[i];
      if (field !== undefined) write(field, values[i], depth + 1);
    }
  };
  const write = (each: MoveType, item: Value | undefined, depth: number): void => {
    if (depth > bounds.valueDepth)
      throw fault('limit', `a value is nested deeper than ${bounds.valueDepth}`);
    switch (each.kind) {
      case 'bool':
        return writer.u8(item === true ? 1 : 0);
      case 'u8':
        return writer.u8(asNumber(item));
      case 'u16':
        return writer.number(asNumber(item), 2);
      case 'u32':
        return writer.number(asNumber(item), 4);
      case 'u64':
        return writer.bigint(asBigint(item), 8);
      case 'u128':
        return writer.bigint(asBigint(item), 16);
      case 'u256':
        return writer.bigint(asBigint(item), 32);
      case 'address':
      case 'signer':
        return writer.many(addressToBytes(asAddress(item)));
      case 'vector': {
        const items = asArray(item);
        writer.uleb(items.length);
        if (each.of.kind === 'u8') return writer.many(asBytes(items));
        for (const element of items) write(each.of, element, depth + 1);
        return;
      }
      case 'datatype': {
        const layout = types.layout(each);
        if (!each.datatype.isEnum) return fields(layout[0] ?? [], asArray(item), depth);
        if (!isVariant(item)) throw fault('invariant', 'expected an enum value');
        writer.uleb(item.tag);
        const variant = layout[item.tag] ?? [];
        variant.forEach((field, i) => write(field, item.fields[i], depth + 1));
        return;
      }
      case 'reference':
      case 'parameter':
        throw fault('invariant', `${tagOf(each)} has no BCS`);
    }
  };
  write(type, value, 1);
  return writer.result();
};

class Cursor {
  readonly bytes: Uint8Array;
  at = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.at)
      throw fault('argument', `BCS ends at ${this.bytes.length}, ${count} more bytes expected`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  u8(): number {
    return this.take(1)[0] ?? 0;
  }
  number(width: number): number {
    return this.take(width).reduceRight((sum, byte) => sum * 256 + byte, 0);
  }
  bigint(width: number): bigint {
    return BigInt(`0x${Buffer.from(this.take(width).toReversed()).toString('hex')}`);
  }
  uleb(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0x80) continue;
      if ((byte === 0 && shift > 0) || value > 0xffff_ffff) break;
      return value;
    }
    throw fault('argument', 'a length in BCS is not canonical');
  }
}

const isString = (type: MoveType): false | 'string' | 'ascii' => {
  if (type.kind !== 'datatype' || type.datatype.name !== 'String') return false;
  if (!/^0x0+1$/.test(type.datatype.originalId)) return false;
  const { module } = type.datatype;
  return module === 'string' || module === 'ascii' ? module : false;
};

export const isUtf8 = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
};

/**
 * Reads all of `bytes` as a closed `type`. @throws Fault `argument` when it is not the canonical
 * BCS of one value.
 */
export const decode = (
  types: TypeTable,
  type: MoveType,
  bytes: Uint8Array,
  bounds: Bounds,
): Value => {
  const cursor = new Cursor(bytes);
  const read = (each: MoveType, depth: number): Value => {
    if (depth > bounds.valueDepth)
      throw fault('limit', `a value is nested deeper than ${bounds.valueDepth}`);
    switch (each.kind) {
      case 'bool': {
        const byte = cursor.u8();
        if (byte > 1) throw fault('argument', `a boolean in BCS is ${byte}`);
        return byte === 1;
      }
      case 'u8':
        return cursor.u8();
      case 'u16':
        return cursor.number(2);
      case 'u32':
        return cursor.number(4);
      case 'u64':
        return cursor.bigint(8);
      case 'u128':
        return cursor.bigint(16);
      case 'u256':
        return cursor.bigint(32);
      case 'address':
        return bytesToAddress(cursor.take(32));
      case 'vector': {
        const length = cursor.uleb();
        if (each.of.kind === 'u8') return Array.from(cursor.take(length));
        // Every Move value has at least one byte (a struct without fields has a hidden boolean), so
        // a length beyond the rest is a lie.
        if (length > bytes.length - cursor.at)
          throw fault('argument', `a vector in BCS claims ${length} elements`);
        const items: Value[] = [];
        for (let i = 0; i < length; i++) items.push(read(each.of, depth + 1));
        return items;
      }
      case 'datatype': {
        const layout = types.layout(each);
        if (each.datatype.isEnum) {
          const tag = cursor.uleb();
          const variant = layout[tag];
          if (variant === undefined) throw fault('argument', `variant ${tag} does not exist`);
          return { tag, fields: variant.map((field) => read(field, depth + 1)) };
        }
        const fields = layout[0] ?? [];
        const values = fields.map((field) => read(field, depth + 1));
        const text = isString(each);
        if (text !== false) {
          const raw = Uint8Array.from(asBytes(values[0]));
          if (text === 'string' ? !isUtf8(raw) : raw.some((byte) => byte > 127))
            throw fault('argument', `a ${text}::String has bytes that it may not have`);
        }
        return values;
      }
      case 'signer':
      case 'reference':
      case 'parameter':
        break;
    }
    throw fault('argument', `${tagOf(each)} cannot come from outside`);
  };
  if (bytes.length > bounds.bytes)
    throw fault('limit', `${bytes.length} bytes, expected at most ${bounds.bytes}`);
  const value = read(type, 1);
  if (cursor.at !== bytes.length)
    throw fault('argument', `${bytes.length - cursor.at} bytes follow the BCS value`);
  return value;
};
