/**
 * @module The lengths that an Arrow file declares, compared with its bytes before anything is
 * built: the reader of Arrow trusts them, and one changed byte would have it build a list of 2^31
 * entries. The metadata are flatbuffers, as the Arrow columnar format (1.5) says: Message.fbs,
 * Schema.fbs, File.fbs.
 */
import { malformed } from './limits.ts';

const MAX_FIELDS = 2 ** 18 + 1;
const DEEPEST = 32;
const MAX_NAME = 65_536;
/** Columns of nulls alone have no bytes: their rows count up to here. */
const ROWS_WITHOUT_BYTES = 65_536;
const UNION = 14;
const HEADER = { schema: 1, dictionary: 2, record: 3 };
/** Since this version a region has no page. */
const NO_PAGES = 3;

const broken = (what: string) => malformed(`damaged Arrow metadata: ${what}`);

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const within = (view: DataView, at: number, length: number): number => {
  if (!(at >= 0 && length >= 0 && at + length <= view.byteLength))
    throw broken('it points beyond its end');
  return at;
};
const int16 = (view: DataView, at: number): number => view.getInt16(within(view, at, 2), true);
const int32 = (view: DataView, at: number): number => view.getInt32(within(view, at, 4), true);
const int64 = (view: DataView, at: number): number => {
  const value = Number(view.getBigInt64(within(view, at, 8), true));
  if (!Number.isSafeInteger(value)) throw broken(`a size of ${value}`);
  return value;
};

/** The place of a field by its slot; undefined where it is absent. */
type Fields = (slot: number) => number | undefined;

const tableAt = (view: DataView, at: number): Fields => {
  const start = at + int32(view, at);
  const slots = start - int32(view, start);
  const size = int16(view, slots);
  return (slot) => {
    const offset = slot < size ? int16(view, slots + slot) : 0;
    return offset === 0 ? undefined : start + offset;
  };
};

/** The places of a vector's entries of `stride` bytes, all within the view. */
const entriesOf = (view: DataView, at: number | undefined, stride: number): readonly number[] => {
  if (at === undefined) return [];
  const base = at + int32(view, at);
  const count = int32(view, base);
  within(view, base + 4, count * stride);
  return Array.from({ length: count }, (_, i) => base + 4 + i * stride);
};

const checkText = (view: DataView, at: number | undefined): void => {
  if (at === undefined) return;
  const start = at + int32(view, at);
  const length = int32(view, start);
  if (length > MAX_NAME) throw broken(`a name of ${length} bytes`);
  within(view, start + 4, length);
};

interface Counter {
  fields: number;
}

const checkField = (view: DataView, at: number, counter: Counter, depth: number): void => {
  counter.fields += 1;
  if (counter.fields > MAX_FIELDS || depth > DEEPEST) throw broken('too many columns');
  const field = tableAt(view, at);
  checkText(view, field(4));
  const [kind, type] = [field(8), field(10)];
  const isUnion = kind !== undefined && view.getUint8(within(view, kind, 1)) === UNION;
  if (isUnion && type !== undefined) entriesOf(view, tableAt(view, type)(6), 4);
  for (const child of entriesOf(view, field(14), 4)) checkField(view, child, counter, depth + 1);
  entriesOf(view, field(16), 4);
};

const checkSchema = (view: DataView, at: number): void => {
  const schema = tableAt(view, at);
  const counter = { fields: 0 };
  for (const field of entriesOf(view, schema(6), 4)) checkField(view, field, counter, 0);
  entriesOf(view, schema(8), 4);
};

/** Rows and the buffers that hold them: a row takes a bit of one of them at least. */
const checkBatch = (view: DataView, at: number, version: number, body: Uint8Array): void => {
  const batch = tableAt(view, at);
  const page = version < NO_PAGES ? 8 : 0;
  const packed = batch(10) !== undefined;
  let largest = 0;
  const regions = entriesOf(view, batch(8), 16 + page);
  for (const region of regions) {
    const [offset, length] = [int64(view, region + page), int64(view, region + page + 8)];
    if (!(offset >= 0 && length >= 0 && offset + length <= body.length))
      throw broken('a column is cut off');
    // What is packed begins with its unpacked size; -1 is for what is not.
    const size = packed && length >= 8 ? int64(viewOf(body), offset) : -1;
    largest = Math.max(largest, size < 0 ? length : size);
  }
  const most = Math.max(8 * largest, ROWS_WITHOUT_BYTES);
  const checkRows = (place: number | undefined): void => {
    const rows = place === undefined ? 0 : int64(view, place);
    if (!(rows >= 0 && rows <= most)) throw broken(`${rows} rows in ${largest} bytes`);
  };
  checkRows(batch(4));
  for (const node of entriesOf(view, batch(6), 16)) checkRows(node);
  for (const count of entriesOf(view, batch(12), 8)) {
    const buffers = int64(view, count);
    if (!(buffers >= 0 && buffers <= regions.length)) throw broken(`${buffers} buffers`);
  }
};

/** Where the message ends; undefined for the mark of the end. */
const checkMessage = (bytes: Uint8Array, start: number): number | undefined => {
  const file = viewOf(bytes);
  // A stream may end without a mark.
  if (start === bytes.length) return undefined;
  let at = start;
  let length = int32(file, at);
  at += 4;
  if (length === -1) {
    length = at === bytes.length ? 0 : int32(file, at);
    at += 4;
  }
  if (length === 0) return undefined;
  within(file, at, length);
  const view = viewOf(bytes.subarray(at, at + length));
  const message = tableAt(view, 0);
  const [versionAt, typeAt, headerAt, bodyAt] = [message(4), message(6), message(8), message(10)];
  const size = bodyAt === undefined ? 0 : int64(view, bodyAt);
  within(file, at + length, size);
  const end = at + length + size;
  if (headerAt === undefined) return end;
  const body = bytes.subarray(at + length, end);
  const version = versionAt === undefined ? 0 : int16(view, versionAt);
  const type = typeAt === undefined ? 0 : view.getUint8(within(view, typeAt, 1));
  if (type === HEADER.schema) checkSchema(view, headerAt);
  else if (type === HEADER.record) checkBatch(view, headerAt, version, body);
  else if (type === HEADER.dictionary) {
    const data = tableAt(view, headerAt)(6);
    if (data === undefined) throw broken('a dictionary without values');
    checkBatch(view, data, version, body);
  }
  return end;
};

const MAGIC = 'ARROW1';

const checkFile = (bytes: Uint8Array): void => {
  const view = viewOf(bytes);
  const end = bytes.length - MAGIC.length - 4;
  const length = int32(view, end);
  const footer = tableAt(view, within(view, end - length, length));
  const schema = footer(6);
  if (schema !== undefined) checkSchema(view, schema);
  entriesOf(view, footer(12), 4);
  let total = 0;
  for (const slot of [8, 10])
    for (const block of entriesOf(view, footer(slot), 24)) {
      const start = int64(view, block);
      within(view, start, 8);
      const stop = checkMessage(bytes, start);
      if (stop === undefined) throw broken('a part without rows');
      total += stop - start;
      // Parts that lie on each other would be read as often as they are named.
      if (total > bytes.length) throw broken('more parts than bytes');
    }
};

/**
 * Throws unless all lengths and places that an IPC file or stream declares are within its bytes.
 * @throws FloeError `data_malformed`
 */
export const checkArrow = (bytes: Uint8Array): void => {
  if (String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC) {
    checkFile(bytes);
    return;
  }
  let at: number | undefined = 0;
  while (at !== undefined) at = checkMessage(bytes, at);
};
