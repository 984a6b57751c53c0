/**
 * @module Natives of `0x1` (bcs, hash, string, type_name, vector) and the pure ones of `0x2`
 * (address, types).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { sha3_256 } from '@noble/hashes/sha3.js';
import { bytesToAddress, isUtf8 } from '../bcs.ts';
import { VECTOR, abort, fault } from '../fault.ts';
import { type MoveType, tagOf } from '../typing.ts';
import type { Value } from '../types.ts';
import { Ref, asArray } from '../values.ts';
import {
  type NativeArguments,
  type NativeFunction,
  type NativeTable,
  typeArgument,
} from './native.ts';

const ADDRESS_PARSE = 0;

/** As `std::type_name` writes types: full-length addresses without `0x`, no space after a comma. */
const typeName = (type: MoveType, ids: 'defining' | 'original'): Value => {
  const text = tagOf(type, ids).replaceAll('0x', '').replaceAll(', ', ',');
  return [[Array.from(Buffer.from(text, 'latin1'))]];
};

/** Whether the UTF-8 bytes can be cut before `index`. */
const isBoundary = (bytes: Uint8Array, index: number): boolean =>
  index === bytes.length || (index < bytes.length && ((bytes[index] ?? 0) & 0xc0) !== 0x80);

/**
 * A witness is the only value of a type named like its module in capitals, with `drop` and one
 * hidden boolean.
 */
export const isWitnessType = (type: MoveType): boolean => {
  if (type.kind !== 'datatype' || type.args.length > 0) return false;
  const { datatype } = type;
  return (
    !datatype.isEnum &&
    datatype.abilities === 2 &&
    datatype.typeParameters.length === 0 &&
    datatype.name === datatype.module.toUpperCase() &&
    datatype.fields.length === 1 &&
    datatype.fields[0]?.type.kind === 'bool'
  );
};

/** Index `argument` of the vector in argument 0. */
const place = (args: NativeArguments, argument: number): { items: Value[]; index: number } => {
  const items = asArray(args.value(0));
  const index = args.wide(argument);
  if (index >= BigInt(items.length))
    throw fault('vector', `index ${index} of a vector of ${items.length}`, { code: VECTOR.index });
  return { items, index: Number(index) };
};

const borrow: NativeFunction = (_, args) => {
  const { items, index } = place(args, 1);
  return new Ref(items, index);
};

/** Compilers write these as instructions; a transaction may still call them by name. */
const vectorNatives: NativeTable = {
  '0x1::vector::empty': () => [],
  '0x1::vector::length': (_, args) => BigInt(asArray(args.value(0)).length),
  '0x1::vector::borrow': borrow,
  '0x1::vector::borrow_mut': borrow,
  '0x1::vector::push_back': (_, args) => {
    asArray(args.value(0)).push(args.value(1));
    return undefined;
  },
  '0x1::vector::pop_back': (_, args) => {
    const last = asArray(args.value(0)).pop();
    if (last === undefined)
      throw fault('vector', 'pop from an empty vector', { code: VECTOR.popEmpty });
    return last;
  },
  '0x1::vector::destroy_empty': (_, args) => {
    if (asArray(args.value(0)).length > 0)
      throw fault('vector', 'the vector is not empty', { code: VECTOR.parity });
    return undefined;
  },
  '0x1::vector::swap': (_, args) => {
    const { items, index } = place(args, 1);
    const other = place(args, 2).index;
    const [a, b] = [items[index], items[other]];
    if (a === undefined || b === undefined) throw fault('invariant', 'a hole in a vector');
    items[index] = b;
    items[other] = a;
    return undefined;
  },
};

export const stdNatives: NativeTable = {
  ...vectorNatives,
  '0x1::bcs::to_bytes': ({ objects }, args, types) =>
    Array.from(objects.encode(typeArgument(types), args.value(0))),
  '0x1::hash::sha2_256': ({ machine }, args) => {
    const bytes = args.bytes(0);
    machine.charge(8 + (bytes.length >> 3));
    return Array.from(sha256(bytes));
  },
  '0x1::hash::sha3_256': ({ machine }, args) => {
    const bytes = args.bytes(0);
    machine.charge(8 + (bytes.length >> 3));
    return Array.from(sha3_256(bytes));
  },
  '0x1::string::internal_check_utf8': ({ machine }, args) => {
    const bytes = args.bytes(0);
    machine.charge(bytes.length >> 3);
    return isUtf8(bytes);
  },
  '0x1::string::internal_is_char_boundary': (_, args) =>
    args.wide(1) <= Number.MAX_SAFE_INTEGER && isBoundary(args.bytes(0), Number(args.wide(1))),
  '0x1::string::internal_sub_string': ({ machine }, args) => {
    const bytes = args.bytes(0);
    machine.charge(bytes.length >> 3);
    return Array.from(bytes.slice(Number(args.wide(1)), Number(args.wide(2))));
  },
  '0x1::string::internal_index_of': ({ machine }, args) => {
    const bytes = Buffer.from(args.bytes(0));
    machine.charge(bytes.length >> 3);
    const found = bytes.indexOf(Buffer.from(args.bytes(1)));
    return BigInt(found < 0 ? bytes.length : found);
  },
  '0x1::type_name::get': (_, __, types) => typeName(typeArgument(types), 'original'),
  '0x1::type_name::with_original_ids': (_, __, types) => typeName(typeArgument(types), 'original'),
  '0x1::type_name::with_defining_ids': (_, __, types) => typeName(typeArgument(types), 'defining'),
  '0x2::address::to_u256': (_, args) => BigInt(args.address(0)),
  '0x2::address::from_u256': (_, args) => `0x${args.wide(0).toString(16).padStart(64, '0')}`,
  '0x2::address::from_bytes': (_, args) => {
    const bytes = args.bytes(0);
    if (bytes.length !== 32) throw abort(ADDRESS_PARSE, 'an address has 32 bytes');
    return bytesToAddress(bytes);
  },
  '0x2::types::is_one_time_witness': (_, __, types) => isWitnessType(typeArgument(types)),
};
