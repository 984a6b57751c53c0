/**
 * @module The pages of a Parquet column, walked before the library decodes them (parquet-format,
 * README.md and Encodings.md). The library trusts their headers: a missing size, a run longer than
 * the page, or a list of prefixes would have it loop or take memory without end. Flat columns only.
 */
import { crc32 } from 'node:zlib';
import { checkDelta, readHybrid } from './parquet-runs.ts';
import { malformed } from './limits.ts';
import { type ThriftStruct, type ThriftValue, readThrift } from './thrift.ts';

export interface PageColumn {
  readonly name: string;
  /** Physical type, as the library names it. */
  readonly type: string;
  /** Bytes of a value, for FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number;
  readonly optional: boolean;
  readonly codec: string;
  /** Values of the column in this group, nulls included. */
  readonly values: number;
}

/** Unpacks a page to a number of bytes; the entry of a codec. */
export type Unpack = (bytes: Uint8Array, size: number) => Uint8Array;

const DATA = 0;
const DICTIONARY = 2;
const DATA_V2 = 3;

const PLAIN = 0;
const PLAIN_DICTIONARY = 2;
const RLE = 3;
const DELTA_BINARY_PACKED = 5;
const DELTA_LENGTH = 6;
const DELTA_TEXTS = 7;
const RLE_DICTIONARY = 8;
const BYTE_STREAM_SPLIT = 9;
const ALP = 10;

const BITS: Readonly<Record<string, number>> = {
  BOOLEAN: 1,
  INT32: 32,
  INT64: 64,
  INT96: 96,
  FLOAT: 32,
  DOUBLE: 64,
};

const broken = (what: string) => malformed(`damaged page: ${what}`);

const countIn = (struct: ThriftStruct, id: number, what: string): number => {
  const value = struct.get(id);
  if (typeof value !== 'number' || value < 0) throw broken(what);
  return value;
};

const isStruct = (value: ThriftValue | undefined): value is ThriftStruct => value instanceof Map;

const structIn = (struct: ThriftStruct, id: number): ThriftStruct => {
  const value = struct.get(id);
  if (!isStruct(value)) throw broken('its header lacks a part');
  return value;
};

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Values one after the other; gives the place after them. */
const checkPlain = (body: Uint8Array, column: PageColumn, count: number): void => {
  const { type, typeLength } = column;
  const fixed = type === 'FIXED_LEN_BYTE_ARRAY' ? 8 * typeLength : BITS[type];
  if (fixed !== undefined) {
    if (fixed === 0) throw broken('values of no length');
    if (count * fixed > 8 * body.length) throw broken(`${count} values are cut off`);
    return;
  }
  const view = viewOf(body);
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (at + 4 > body.length) throw broken(`${count} values are cut off`);
    at += 4 + view.getUint32(at, true);
  }
  if (at > body.length) throw broken(`${count} values are cut off`);
};

/** Texts as a shared start with the one before, and the rest. */
const checkTexts = (body: Uint8Array, count: number, maxBytes: number): void => {
  const starts = checkDelta(body, 0, count, true);
  const rests = checkDelta(body, starts.end, count, true);
  let [before, total] = [0, 0];
  for (let i = 0; i < count; i += 1) {
    const [start, rest] = [starts.values[i] as number, rests.values[i] as number];
    if (start < 0 || rest < 0 || start > before) throw broken('a text of no possible length');
    before = start + rest;
    total += before;
  }
  if (total > maxBytes) throw broken(`texts of ${total} bytes`);
};

interface Body {
  readonly bytes: Uint8Array;
  readonly encoding: number;
  /** Values without nulls. */
  readonly count: number;
  readonly isV2: boolean;
}

const checkBody = (body: Body, column: PageColumn, dictionary: number, maxBytes: number): void => {
  const { bytes, encoding, count } = body;
  if (count === 0) return;
  switch (encoding) {
    case PLAIN:
      checkPlain(bytes, column, count);
      return;
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY: {
      const width = bytes[0];
      if (width === undefined || width > 32) throw broken('indices of no possible size');
      if (dictionary === 0) throw broken('indices without a dictionary');
      const { largest } = readHybrid(bytes, 1, bytes.length, width, count);
      if (largest >= dictionary) throw broken(`value ${largest} of a dictionary of ${dictionary}`);
      return;
    }
    case RLE: {
      if (column.type !== 'BOOLEAN') throw broken('runs of values that are no truth values');
      const length = bytes.length < 4 ? bytes.length : viewOf(bytes).getUint32(0, true);
      if (4 + length > bytes.length) throw broken('its runs are cut off');
      readHybrid(bytes, 4, 4 + length, 1, count);
      return;
    }
    case DELTA_BINARY_PACKED:
      if (column.type !== 'INT32' && column.type !== 'INT64')
        throw broken('differences of values that are no integers');
      checkDelta(bytes, 0, count);
      return;
    case DELTA_LENGTH:
      checkDelta(bytes, 0, count);
      return;
    case DELTA_TEXTS:
      checkTexts(bytes, count, maxBytes);
      return;
    case BYTE_STREAM_SPLIT:
      checkPlain(bytes, column, count);
      return;
    case ALP:
      // The library compares its count, and reads each vector within the page.
      return;
    default:
      throw malformed(`a page of encoding ${encoding}: write the file again with another encoding`);
  }
};

/** Which values are there: 1 for each, 0 for a null. Gives how many are, and the place after. */
const levelsOf = (
  bytes: Uint8Array,
  from: number,
  to: number,
  count: number,
): { readonly present: number; readonly end: number } => {
  if (to > bytes.length) throw broken('its levels are cut off');
  return { present: readHybrid(bytes, from, to, 1, count).sum, end: to };
};

interface Reading {
  readonly column: PageColumn;
  readonly unpack: Unpack | undefined;
  readonly maxBytes: number;
}

const unpacked = ({ column, unpack }: Reading, bytes: Uint8Array, size: number): Uint8Array => {
  if (unpack === undefined && column.codec !== 'UNCOMPRESSED')
    throw malformed(`packed with ${column.codec}: pack the file with Snappy, gzip or zstd`);
  const out = unpack === undefined ? bytes : unpack(bytes, size);
  if (out.length !== size) throw broken(`${out.length} bytes, its header has ${size}`);
  return out;
};

/** A page of the first version; gives its values with nulls. */
const checkFirst = (
  reading: Reading,
  header: ThriftStruct,
  packed: Uint8Array,
  size: number,
  dictionary: number,
): number => {
  const { column, maxBytes } = reading;
  const own = structIn(header, 5);
  const count = countIn(own, 1, 'its header lacks the number of values');
  if (count > column.values) throw broken(`${count} values in a column of ${column.values}`);
  const body = unpacked(reading, packed, size);
  let [at, present] = [0, count];
  if (column.optional) {
    if (body.length < 4) throw broken('its levels are cut off');
    const length = viewOf(body).getUint32(0, true);
    ({ present, end: at } = levelsOf(body, 4, 4 + length, count));
  }
  const encoding = countIn(own, 2, 'its header lacks the encoding');
  const rest = { bytes: body.subarray(at), encoding, count: present, isV2: false };
  checkBody(rest, column, dictionary, maxBytes);
  return count;
};

/** A page of the second version, whose levels are not packed. */
const checkSecond = (
  reading: Reading,
  header: ThriftStruct,
  packed: Uint8Array,
  size: number,
  dictionary: number,
): number => {
  const { column, maxBytes } = reading;
  const own = structIn(header, 8);
  const count = countIn(own, 1, 'its header lacks the number of values');
  const nulls = countIn(own, 2, 'its header lacks the number of nulls');
  const rows = countIn(own, 3, 'its header lacks the number of rows');
  const levels = countIn(own, 5, 'its header lacks the size of its levels');
  if (countIn(own, 6, 'its header lacks the size of its levels') !== 0)
    throw broken('levels of lists in a column without');
  if (count > column.values || rows !== count || nulls > count)
    throw broken(`${count} values in a column of ${column.values}`);
  if (!column.optional && levels + nulls > 0) throw broken('nulls in a column without');
  if (levels > packed.length || levels > size) throw broken('its levels are cut off');
  if (column.optional && levelsOf(packed, 0, levels, count).present !== count - nulls)
    throw broken('its header has another number of nulls than its levels');
  const rest = packed.subarray(levels);
  const isPacked = own.get(7) !== false && size > levels;
  const bytes = isPacked ? unpacked(reading, rest, size - levels) : rest;
  const encoding = countIn(own, 4, 'its header lacks the encoding');
  checkBody({ bytes, encoding, count: count - nulls, isV2: true }, column, dictionary, maxBytes);
  return count;
};

/** The values of a dictionary. */
const checkDictionary = (
  reading: Reading,
  header: ThriftStruct,
  packed: Uint8Array,
  size: number,
): number => {
  const count = countIn(structIn(header, 7), 1, 'its header lacks the number of values');
  checkPlain(unpacked(reading, packed, size), reading.column, count);
  return count;
};

/**
 * Throws unless every page of a column is whole, and as large as its header says; the checksum of
 * a page is compared where it has one.
 *
 * @param bytes the column in one group, from its first page
 * @param maxBytes most bytes that its pages, and its texts, may have
 * @throws FloeError `data_malformed` with the column
 */
export const checkPages = (
  bytes: Uint8Array,
  column: PageColumn,
  unpack: Unpack | undefined,
  maxBytes: number,
): void => {
  const reading = { column, unpack, maxBytes };
  let [at, seen, dictionary, total] = [0, 0, 0, 0];
  while (seen < column.values) {
    const { struct: header, end } = readThrift(bytes, at);
    const size = countIn(header, 2, 'its header lacks its size');
    const length = countIn(header, 3, 'its header lacks its packed size');
    total += size;
    if (total > maxBytes) throw broken(`${total} bytes, the limit is ${maxBytes}`);
    if (length > bytes.length - end) throw broken('it is cut off');
    const packed = bytes.subarray(end, end + length);
    const sum = header.get(4);
    if (typeof sum === 'number' && crc32(packed) !== sum >>> 0)
      throw broken('its checksum differs');
    const type = countIn(header, 1, 'its header lacks its type');
    if (type === DICTIONARY) dictionary = checkDictionary(reading, header, packed, size);
    else if (type === DATA) seen += checkFirst(reading, header, packed, size, dictionary);
    else if (type === DATA_V2) seen += checkSecond(reading, header, packed, size, dictionary);
    else throw broken(`type ${type}`);
    at = end + length;
  }
  if (seen !== column.values) throw broken(`${seen} values, the column has ${column.values}`);
};
