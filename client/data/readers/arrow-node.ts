/**
 * @module Tables as Apache Arrow: the IPC file, which is Feather version 2, and the IPC stream, by
 * flechette; what is packed is unpacked by Node or by {@link lz4Frame}. Node only.
 */
import { zstdDecompressSync } from 'node:zlib';
import type { Table } from '../table.ts';
import { MAX_VALUES, checkSize, inFile, malformed } from './limits.ts';
import { lz4Frame } from './lz4.ts';
import { type TypedOptions, checkNames, createTypedTable } from './typed-table.ts';

/** Bytes of one part of a column, unpacked. */
const MAX_PART = 2 ** 31;
const MOST_ROWS_PER_BYTE = 8 * 255;

const unpackable = (size: number): number => {
  if (!(size >= 0 && size <= MAX_PART)) throw malformed(`a part that unpacks to ${size} bytes`);
  return size;
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
    setCompressionCodec(CompressionType.LZ4_FRAME, {
      decode: (packed, size) => lz4Frame(packed, unpackable(size)),
      encode: refusePacking,
    });
    setCompressionCodec(CompressionType.ZSTD, {
      decode: (packed, size) =>
        zstdDecompressSync(packed, { maxOutputLength: Math.max(1, unpackable(size)) }),
      encode: refusePacking,
    });
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
