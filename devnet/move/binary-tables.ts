/**
 * @module The frame of a compiled Move module: a cursor that checks every read, the header, and the
 * tables by kind. Tables must tile the file exactly.
 */
import { DevnetError } from '../errors.ts';

/** Largest module read, bytes. A whole Sui package may have 100 KiB. */
export const MODULE_BYTES = 256 * 1024;
/** Rows of one table. */
const ROWS = 65_535;

export const malformed = (what: string): DevnetError =>
  new DevnetError('module_malformed', `not a Move module: ${what}`);

/** Cursor over bytes; every read is checked. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }
  get done(): boolean {
    return this.at >= this.end;
  }
  take(count: number): Uint8Array {
    if (count > this.end - this.at) throw malformed(`expected ${count} bytes at ${this.at}`);
    const from = this.at;
    this.at += count;
    return this.bytes.subarray(from, this.at);
  }
  u8(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined || this.at >= this.end) throw malformed(`it ends at ${this.at}`);
    this.at += 1;
    return byte;
  }
  /** Canonical ULEB128 of at most 32 bits, checked against `limit` (exclusive). */
  uleb(limit: number, what: string): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw malformed(`${what} is not canonical ULEB128`);
        if (value >= limit) throw malformed(`${what} is ${value}, expected less than ${limit}`);
        return value;
      }
    }
    throw malformed(`${what} is too long`);
  }
  /** A count of things that take at least one byte each. */
  count(what: string, most = 65_536): number {
    return this.uleb(Math.min(most, this.end - this.at) + 1, `number of ${what}`);
  }
  little(width: number): bigint {
    let value = 0n;
    const bytes = this.take(width);
    for (let i = width - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    return value;
  }
}

/** Table kinds of the format, in the numbering of the file. */
export const TABLE = {
  moduleHandles: 0x1,
  datatypeHandles: 0x2,
  functionHandles: 0x3,
  functionInstances: 0x4,
  signatures: 0x5,
  constants: 0x6,
  identifiers: 0x7,
  addresses: 0x8,
  structs: 0xa,
  structInstances: 0xb,
  functions: 0xc,
  fieldHandles: 0xd,
  fieldInstances: 0xe,
  friends: 0xf,
  metadata: 0x10,
  enums: 0x11,
  enumInstances: 0x12,
  variantHandles: 0x13,
  variantInstances: 0x14,
} as const;
const TABLE_KINDS: ReadonlySet<number> = new Set(Object.values(TABLE));

export interface Header {
  readonly version: number;
  readonly self: number;
  readonly tables: ReadonlyMap<number, { readonly start: number; readonly end: number }>;
}

export const readHeader = (bytes: Uint8Array): Header => {
  if (bytes.length > MODULE_BYTES)
    throw malformed(`${bytes.length} bytes, expected at most ${MODULE_BYTES}`);
  const reader = new Reader(bytes);
  if (reader.take(4).join() !== '161,28,235,11') throw malformed('the magic number is missing');
  const raw = Number(reader.little(4));
  const version = raw & 0xffffff;
  const flavour = raw >>> 24;
  if (version < 6 || version > 7) throw malformed(`version ${version}, expected 6 or 7`);
  if (flavour !== (version >= 7 ? 5 : 0)) throw malformed(`flavour ${flavour} is not Sui's`);
  const entries: { kind: number; offset: number; length: number }[] = [];
  const tableCount = reader.count('tables', 32);
  for (let i = 0; i < tableCount; i++) {
    const kind = reader.u8();
    if (!TABLE_KINDS.has(kind)) throw malformed(`unknown table kind ${kind}`);
    if (entries.some((entry) => entry.kind === kind)) throw malformed(`two tables of kind ${kind}`);
    const offset = reader.uleb(bytes.length + 1, 'table offset');
    const length = reader.uleb(bytes.length + 1, 'table length');
    if (length === 0) throw malformed(`table ${kind} is empty`);
    entries.push({ kind, offset, length });
  }
  const start = reader.at;
  const tables = new Map<number, { start: number; end: number }>();
  let next = 0;
  for (const { kind, offset, length } of entries.toSorted((a, b) => a.offset - b.offset)) {
    if (offset !== next) throw malformed('tables overlap or leave a gap');
    next += length;
    if (start + next > bytes.length) throw malformed('a table runs past the end');
    tables.set(kind, { start: start + offset, end: start + next });
  }
  reader.at = start + next;
  const self = reader.uleb(65_536, 'self module');
  if (!reader.done) throw malformed('bytes follow the module');
  return { version, self, tables };
};

/** Reads the rows of a table; none when the module has no such table. */
export type TableReader = <T>(kind: number, read: (reader: Reader) => T) => T[];

export const tableReader =
  (bytes: Uint8Array, { tables }: Header): TableReader =>
  (kind, read) => {
    const place = tables.get(kind);
    if (place === undefined) return [];
    const reader = new Reader(bytes, place.start, place.end);
    const rows: ReturnType<typeof read>[] = [];
    while (!reader.done) {
      if (rows.length >= ROWS) throw malformed(`table ${kind} has too many rows`);
      rows.push(read(reader));
    }
    return rows;
  };
