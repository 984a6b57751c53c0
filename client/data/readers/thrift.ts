/**
 * @module Structures of Thrift's compact protocol (THRIFT-2210, thrift-compact-protocol.md) as
 * Parquet uses them, read within bounds: numbers of at most ten bytes, lists no longer than the
 * bytes that follow, a limited depth, a limited number of values. Each read consumes a byte or
 * throws.
 */
import { malformed } from './limits.ts';

/** Integers of all sizes are numbers; an integer beyond 2^53 is a bigint. */
export type ThriftValue =
  boolean | number | bigint | Uint8Array | readonly ThriftValue[] | ThriftStruct;

/** The fields of a structure by their ids. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

export interface ThriftRead {
  readonly struct: ThriftStruct;
  /** The place after the structure. */
  readonly end: number;
}

const DEEPEST = 32;
/** An empty structure is one byte, and takes two hundred of memory: at most 1 GB. */
const MAX_THRIFT_VALUES = 2 ** 22;
const MAX_VARINT = 10;
/** Ids of fields are 16-bit integers. */
const MAX_FIELD = 2 ** 15;

const [STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
];
const STRUCT = 12;

const broken = (what: string) => malformed(`damaged Thrift structure: ${what}`);

export interface VarInt {
  readonly value: bigint;
  readonly end: number;
}

/** An unsigned number in groups of seven bits. @throws FloeError `data_malformed` */
export const readVarInt = (bytes: Uint8Array, at: number): VarInt => {
  // Nearly all are below 2^28: no bigints for those.
  let small = 0;
  for (let i = 0; i < 4; i += 1) {
    const byte = bytes[at + i];
    if (byte === undefined) throw broken('cut off');
    small |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value: BigInt(small), end: at + i + 1 };
  }
  let value = BigInt(small);
  for (let i = 4; i < MAX_VARINT; i += 1) {
    const byte = bytes[at + i];
    if (byte === undefined) throw broken('cut off');
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
  }
  throw broken(`a number of more than ${MAX_VARINT} bytes`);
};

/** Signed from unsigned: 0, -1, 1, -2, 2. */
export const unzigzag = (value: bigint): bigint => (value >> 1n) ^ -(value & 1n);

/**
 * The structure that begins at a place.
 *
 * @param most values of fields and lists in it, lists and structures included
 * @throws FloeError `data_malformed`
 */
export const readThrift = (
  bytes: Uint8Array,
  start: number,
  most = MAX_THRIFT_VALUES,
): ThriftRead => {
  let at = start;
  let values = 0;
  const count = (more: number): void => {
    values += more;
    if (values > most) throw broken(`more than ${most} values`);
  };
  const byteOf = (): number => {
    const byte = bytes[at];
    if (byte === undefined) throw broken('cut off');
    at += 1;
    return byte;
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw broken('cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const unsigned = (): bigint => {
    const { value, end } = readVarInt(bytes, at);
    at = end;
    return value;
  };
  const integer = (): number | bigint => {
    const value = unzigzag(unsigned());
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  };
  const valueOf = (type: number, depth: number, inList: boolean): ThriftValue => {
    switch (type) {
      case TRUE:
      case FALSE:
        // In a structure the type is the value.
        return inList ? byteOf() === TRUE : type === TRUE;
      case BYTE:
        return (byteOf() << 24) >> 24;
      case I16:
      case I32:
      case I64:
        return integer();
      case DOUBLE: {
        const eight = take(8);
        return new DataView(eight.buffer, eight.byteOffset, 8).getFloat64(0, true);
      }
      case BINARY:
        return take(Number(unsigned()));
      case LIST:
      case SET:
        return listOf(depth + 1);
      case STRUCT:
        return structOf(depth + 1);
      default:
        throw broken(`a value of type ${type}`);
    }
  };
  const listOf = (depth: number): readonly ThriftValue[] => {
    if (depth > DEEPEST) throw broken('too deep');
    const head = byteOf();
    const short = head >> 4;
    const length = short === 15 ? Number(unsigned()) : short;
    if (length > bytes.length - at) throw broken(`a list of ${length} entries`);
    count(length);
    return Array.from({ length }, () => valueOf(head & 15, depth, true));
  };
  const structOf = (depth: number): ThriftStruct => {
    if (depth > DEEPEST) throw broken('too deep');
    const fields = new Map<number, ThriftValue>();
    let id = 0;
    for (;;) {
      const head = byteOf();
      if ((head & 15) === STOP) return fields;
      const step = head >> 4;
      id = step === 0 ? Number(unzigzag(unsigned())) : id + step;
      if (id < 1 || id >= MAX_FIELD) throw broken(`a field ${id}`);
      if (fields.has(id)) throw broken(`field ${id} twice`);
      count(1);
      fields.set(id, valueOf(head & 15, depth, false));
    }
  };
  const struct = structOf(0);
  return { struct, end: at };
};
