/**
 * @module Tables as Parquet (Apache Parquet format 2), by hyparquet; what is packed is unpacked by
 * Node, with the size that a page declares as its limit. Row group by row group. Node only.
 */
import { open as openFile } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors, FileMetaData } from 'hyparquet';
import type { FloeError } from '../../../protocol/errors.ts';
import type { Table } from '../table.ts';
import { MAX_BYTES, MAX_VALUES, checkSize, inFile, malformed } from './limits.ts';
import { lz4Block } from './lz4.ts';
import { type TypedOptions, checkNames, createTypedTable } from './typed-table.ts';

const limit = (size: number): { maxOutputLength: number } => ({
  maxOutputLength: Math.max(1, size),
});

const COMPRESSORS: Compressors = {
  GZIP: (bytes, size) => gunzipSync(bytes, limit(size)),
  BROTLI: (bytes, size) => brotliDecompressSync(bytes, limit(size)),
  ZSTD: (bytes, size) => zstdDecompressSync(bytes, limit(size)),
  LZ4_RAW: (bytes, size) => lz4Block(bytes, size),
};

/** Names of the columns, of which none may be a list or a group. */
const namesOf = ({ schema }: FileMetaData, drop: ReadonlySet<string>): string[] => {
  const [root, ...rest] = schema;
  const names: string[] = [];
  let at = 0;
  /** Past an element and all below it. */
  const skip = (): void => {
    const { num_children: children = 0 } = rest[at] ?? {};
    at += 1;
    for (let i = 0; i < children && at < rest.length; i += 1) skip();
  };
  for (let i = 0; i < (root?.num_children ?? 0); i += 1) {
    const element = rest[at];
    if (element === undefined) throw malformed('the schema is cut off');
    names.push(element.name);
    const isFlat = (element.num_children ?? 0) === 0 && element.repetition_type !== 'REPEATED';
    if (!isFlat && !drop.has(element.name))
      throw malformed('the values are lists or groups: leave the column out (--drop-column)', {
        column: element.name,
      });
    skip();
  }
  return names;
};

/** Sizes that the file declares, before anything is read. */
const checkDeclared = (
  metadata: FileMetaData,
  columns: number,
  maxBytes: number,
  maxValues: number,
): number => {
  const rows = Number(metadata.num_rows);
  const groups = metadata.row_groups;
  if (!Number.isSafeInteger(rows) || rows < 0) throw malformed(`${metadata.num_rows} rows`);
  checkSize(rows, columns, maxValues);
  let counted = 0;
  let bytes = 0;
  for (const group of groups) {
    counted += Number(group.num_rows);
    for (const { meta_data: column } of group.columns) {
      if (column === undefined) continue;
      bytes += Number(column.total_uncompressed_size);
      const flat = column.path_in_schema.length === 1;
      if (flat && column.num_values !== group.num_rows)
        throw malformed(`${column.num_values} values in ${group.num_rows} rows`, {
          column: column.path_in_schema[0] ?? '',
        });
    }
  }
  if (counted !== rows) throw malformed(`declares ${rows} rows, its groups have ${counted}`);
  if (!(bytes <= maxBytes))
    throw malformed(`unpacks to ${bytes} bytes, the limit is ${maxBytes}: split the file`);
  return rows;
};

interface Chunk {
  readonly columnName: string;
  readonly columnData: ArrayLike<unknown>;
  readonly rowStart: number;
}

/** @throws FloeError `data_malformed` with row and column */
export const readParquet = async (
  path: string,
  options: TypedOptions & { readonly maxBytes?: number } = {},
): Promise<Table> => {
  const file = await openFile(path);
  try {
    const { parquetMetadataAsync, parquetRead } = await import('hyparquet');
    const { size } = await file.stat();
    const { maxBytes = MAX_BYTES, maxValues = MAX_VALUES } = options;
    if (size < 12) throw malformed('expected a Parquet file, got a few bytes');
    let fault: FloeError | undefined;
    const checkParts = (): void => {
      if (fault !== undefined) throw fault;
    };
    const buffer = {
      byteLength: size,
      slice: async (start: number, end = size): Promise<ArrayBuffer> => {
        // The reader of Parquet awaits parts late: a rejection before that would end the process.
        const isInside = start >= 0 && start <= end && end <= size;
        if (!isInside) fault ??= malformed('a part beyond the end of the file');
        if (!isInside || start === end) return new ArrayBuffer(0);
        const room = new ArrayBuffer(end - start);
        try {
          const { bytesRead } = await file.read(new Uint8Array(room), 0, end - start, start);
          if (bytesRead !== end - start) fault ??= malformed('the file is cut off');
        } catch (thrown) {
          fault ??= inFile(path, thrown);
        }
        return room;
      },
    };
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false });
    checkParts();
    const drop = new Set(options.drop);
    const names = namesOf(metadata, drop);
    checkNames(names);
    const kept = names.filter((name) => !drop.has(name));
    const rows = checkDeclared(metadata, kept.length, maxBytes, maxValues);
    const table = createTypedTable(options);
    for (const name of names) table.column(name);
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const chunks: Chunk[] = [];
      // A callback that throws would end the process: values are taken afterwards.
      await parquetRead({
        file: buffer,
        metadata,
        columns: kept,
        rowStart,
        rowEnd,
        compressors: COMPRESSORS,
        onChunk: (chunk) => chunks.push(chunk),
      });
      checkParts();
      const counts = new Map<string, number>();
      for (const { columnName, columnData, rowStart: from } of chunks) {
        const column = table.column(columnName);
        for (let i = 0; i < columnData.length; i += 1) {
          const row = from + i;
          if (row >= rowStart && row < rowEnd) column?.add(columnData[i], row);
        }
        counts.set(columnName, (counts.get(columnName) ?? 0) + columnData.length);
      }
      for (const name of kept)
        if ((counts.get(name) ?? 0) < rowEnd - rowStart)
          throw malformed(`expected ${rowEnd - rowStart} values, got ${counts.get(name) ?? 0}`, {
            column: name,
          });
      rowStart = rowEnd;
    }
    return { ...table.finish(rows), source: path };
  } catch (thrown) {
    throw inFile(path, thrown);
  } finally {
    await file.close();
  }
};
