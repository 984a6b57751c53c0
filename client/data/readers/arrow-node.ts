/**
 * @module Tables as Apache Arrow: the IPC file, which is Feather version 2, and the IPC stream, by
 * flechette; what is packed is unpacked by Node or by {@link lz4Frame}. Node only.
 */
import { zstdDecompressSync } from 'node:zlib';
import type { Table } from '../table.ts';
import { checkArrow } from './arrow-check.ts';
import { MAX_VALUES, checkSize, inFile, malformed } from './limits.ts';
import { lz4Frame } from './lz4.ts';
import { type TypedOptions, checkNames, createTypedTable } from './typed-table.ts';

/** Bytes of one part of a column, unpacked. */
const MAX_PART = 2 ** 31;
const MOST_ROWS_PER_BYTE = 8 * 255;

/** LZ4 makes nothing smaller by more. */
const MOST_BY_LZ4 = 255;

const unpackable = (size: number, most = MAX_PART): number => {
  if (!(size >= 0 && size <= MAX_PART && size <= most))
    throw malformed(`a part that unpacks to ${size} bytes`);
  return size;
};

const unpackLz4 = (packed: Uint8Array, size: number): Uint8Array =>
  lz4Frame(packed, unpackable(size, packed.length * MOST_BY_LZ4));

const unpackZstd = (packed: Uint8Array, size: number): Uint8Array => {
  const limit = { maxOutputLength: Math.max(1, unpackable(size)) };
  const bytes = zstdDecompressSync(packed, limit);
  if (bytes.length !== size) throw malformed(`expected ${size} bytes unpacked`);
  return bytes;
};

/** A part of a column, as the library has it. */
interface Part {
  readonly length: number;
  readonly validity?: ArrayLike<unknown>;
  readonly offsets?: ArrayLike<number | bigint>;
  readonly values?: ArrayLike<unknown>;
}

const BOOL = 6;
/** Lists, structures, unions, maps, runs. */
const NESTED: ReadonlySet<number> = new Set([12, 13, 14, 16, 17, 21, 22, 25, 26]);

/** Throws unless the buffers of a part have all of its values, texts one behind the other. */
const checkPart = ({ length, validity, offsets, values }: Part, type: number): void => {
  if (length === 0) return;
  if (validity !== undefined && validity.length > 0 && validity.length * 8 < length)
    throw malformed('damaged Arrow data: the marks of missing values are cut off');
  const room = (values?.length ?? 0) * (type === BOOL ? 8 : 1);
  if (offsets === undefined) {
    if (values !== undefined && room < length)
      throw malformed(`damaged Arrow data: ${length} values in a buffer of ${room}`);
    return;
  }
  let before = 0;
  for (let i = 0; i <= length; i += 1) {
    const at = Number(offsets[i] ?? NaN);
    if (!(at >= before && at <= room)) throw malformed('damaged Arrow data: a text is cut off');
    before = at;
  }
};

/** What is looked at of a column's type; a dictionary has that of its values. */
interface ColumnType {
  readonly typeId: number;
  readonly dictionary?: ColumnType;
}

const checkColumn = (
  name: string,
  { type, data }: { readonly type: ColumnType; readonly data: readonly unknown[] },
): void => {
  if (NESTED.has(type.typeId) || NESTED.has(type.dictionary?.typeId ?? 0))
    throw malformed('the values are lists or groups: leave the column out (--drop-column)', {
      column: name,
    });
  for (const part of data) {
    checkPart(part as Part, type.typeId);
    const { dictionary } = part as { readonly dictionary?: Parameters<typeof checkColumn>[1] };
    if (dictionary !== undefined) checkColumn(name, dictionary);
  }
};

const refusePacking = (): never => {
  throw malformed('nothing is packed here');
};

/** @throws FloeError `data_malformed` with row and column */
export const readArrow = async (
  bytes: Uint8Array,
  source: string,
  options: TypedOptions = {},
): Promise<Table> => {
  try {
    if (bytes.length >= 4 && String.fromCharCode(...bytes.subarray(0, 4)) === 'FEA1')
      throw malformed('Feather version 1: write the file again with version 2');
    const { CompressionType, setCompressionCodec, tableFromIPC } =
      await import('@uwdata/flechette');
    const encode = refusePacking;
    setCompressionCodec(CompressionType.LZ4_FRAME, { decode: unpackLz4, encode });
    setCompressionCodec(CompressionType.ZSTD, { decode: unpackZstd, encode });
    checkArrow(bytes);
    // Columns point into the bytes, aligned to 8.
    const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
    const arrow = tableFromIPC(aligned, { useDate: true, useBigInt: true });
    const drop = new Set(options.drop);
    const names = arrow.names.map(String);
    checkNames(names);
    const rows = arrow.numRows;
    // A bit for each value, and packing makes it 255 times smaller at most.
    if (!(rows <= bytes.length * MOST_ROWS_PER_BYTE))
      throw malformed(`declares ${rows} rows in ${bytes.length} bytes`);
    const kept = names.filter((name) => !drop.has(name));
    checkSize(rows, kept.length, options.maxValues ?? MAX_VALUES);
    const table = createTypedTable(options);
    for (const [i, name] of names.entries()) {
      const column = table.column(name);
      if (column === undefined) continue;
      const values = arrow.getChildAt<unknown>(i);
      if (values.length !== rows)
        throw malformed(`expected ${rows} values, got ${values.length}`, { column: name });
      checkColumn(name, values);
      let row = 0;
      for (const value of values) {
        column.add(value, row);
        row += 1;
      }
    }
    return { ...table.finish(rows), source };
  } catch (thrown) {
    throw inFile(source, thrown);
  }
};
