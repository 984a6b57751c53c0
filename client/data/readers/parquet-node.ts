/**
 * @module Tables as Parquet (Apache Parquet format 2), by hyparquet; what is packed is unpacked by
 * Node, with the size that a page declares as its limit. Row group by row group. Footer and pages
 * are checked before the library sees them. Node only.
 */
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type {
  AsyncBuffer,
  ColumnMetaData,
  Compressors,
  FileMetaData,
  RowGroup,
  SchemaElement,
} from 'hyparquet';
import type { FloeError } from '../../../protocol/errors.ts';
import type { Table } from '../table.ts';
import { MAX_BYTES, MAX_VALUES, checkSize, inFile, malformed } from './limits.ts';
import { lz4Block } from './lz4.ts';
import { checkPages } from './parquet-pages.ts';
import { snappyBlock } from './snappy.ts';
import { readThrift } from './thrift.ts';
import { type TypedOptions, checkNames, createTypedTable } from './typed-table.ts';

const limit = (size: number): { maxOutputLength: number } => ({
  maxOutputLength: Math.max(1, size),
});

const COMPRESSORS: Compressors = {
  GZIP: (bytes, size) => gunzipSync(bytes, limit(size)),
  BROTLI: (bytes, size) => brotliDecompressSync(bytes, limit(size)),
  ZSTD: (bytes, size) => zstdDecompressSync(bytes, limit(size)),
  LZ4_RAW: (bytes, size) => lz4Block(bytes, size),
  SNAPPY: (bytes, size) => snappyBlock(bytes, size),
};

const MAGIC = 'PAR1';
/** Length of the footer, magic number. */
const TAIL = 8;
/** Bytes of a value of fixed length. */
const MAX_FIXED = 65_536;

const bytesAt = async (file: FileHandle, start: number, end: number): Promise<Uint8Array> => {
  const room = new Uint8Array(end - start);
  const { bytesRead } = await file.read(room, 0, end - start, start);
  if (bytesRead !== end - start) throw malformed('the file is cut off');
  return room;
};

/** The footer with the file's last bytes, once its structures are whole. */
const footerOf = async (file: FileHandle, size: number): Promise<Uint8Array> => {
  if (size < 12) throw malformed('expected a Parquet file, got a few bytes');
  const tail = Buffer.from(await bytesAt(file, size - TAIL, size));
  if (tail.toString('latin1', 4) !== MAGIC) throw malformed(`cut off: it does not end in ${MAGIC}`);
  const length = tail.readUInt32LE(0);
  if (length > size - TAIL - MAGIC.length) throw malformed('its footer is longer than the file');
  const footer = await bytesAt(file, size - TAIL - length, size);
  readThrift(footer.subarray(0, length), 0);
  return footer;
};

/** The columns, of which none may be a list or a group. */
const elementsOf = (
  { schema }: FileMetaData,
  drop: ReadonlySet<string>,
): readonly SchemaElement[] => {
  const [root, ...rest] = schema;
  if (root?.repetition_type === 'REPEATED') throw malformed('the rows are lists');
  const elements: SchemaElement[] = [];
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
    elements.push(element);
    const isFlat = (element.num_children ?? 0) === 0 && element.repetition_type !== 'REPEATED';
    if (!isFlat && !drop.has(element.name))
      throw malformed('the values are lists or groups: leave the column out (--drop-column)', {
        column: element.name,
      });
    skip();
  }
  return elements;
};

/** Each page of a column of a group. @throws FloeError `data_malformed` with the column */
const checkColumn = async (
  file: FileHandle,
  size: number,
  column: ColumnMetaData,
  element: SchemaElement,
  maxBytes: number,
): Promise<void> => {
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  const end = start + Number(column.total_compressed_size);
  if (!(start >= MAGIC.length && end >= start && end <= size))
    throw malformed('a part beyond the end of the file', { column: element.name });
  const { type_length: typeLength = 0 } = element;
  if (!(typeLength >= 0 && typeLength <= MAX_FIXED))
    throw malformed(`values of ${typeLength} bytes`, { column: element.name });
  const checked = {
    name: element.name,
    type: column.type,
    typeLength,
    optional: element.repetition_type === 'OPTIONAL',
    codec: column.codec,
    values: Number(column.num_values),
  };
  try {
    checkPages(await bytesAt(file, start, end), checked, COMPRESSORS[column.codec], maxBytes);
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw malformed(message, { column: element.name });
  }
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
    if (group.num_rows < 0) throw malformed(`${group.num_rows} rows in a part of the file`);
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

/** Each page of the columns of a group, which must be there once each. */
const checkGroup = async (
  file: FileHandle,
  size: number,
  group: RowGroup,
  elements: ReadonlyMap<string, SchemaElement>,
  maxBytes: number,
): Promise<void> => {
  const found = new Set<string>();
  for (const { meta_data: column } of group.columns) {
    const name = column?.path_in_schema[0];
    const element = name === undefined ? undefined : elements.get(name);
    if (column === undefined || element === undefined) continue;
    if (found.has(element.name) || column.type !== element.type)
      throw malformed('its values are not those of the schema', { column: element.name });
    found.add(element.name);
    await checkColumn(file, size, column, element, maxBytes);
  }
  for (const name of elements.keys())
    if (!found.has(name)) throw malformed('a part of the file lacks it', { column: name });
};

interface Reading {
  readonly buffer: AsyncBuffer;
  /** Throws what went wrong while parts were read. */
  readonly check: () => void;
}

/** The file for the library, which awaits parts late: a rejection would end the process. */
const partsOf = (file: FileHandle, path: string, size: number): Reading => {
  let fault: FloeError | undefined;
  return {
    check: () => {
      if (fault !== undefined) throw fault;
    },
    buffer: {
      byteLength: size,
      slice: async (start, end = size) => {
        const isInside = start >= 0 && start <= end && end <= size;
        if (!isInside) fault ??= malformed('a part beyond the end of the file');
        if (!isInside || start === end) return new ArrayBuffer(0);
        try {
          return (await bytesAt(file, start, end)).buffer as ArrayBuffer;
        } catch (thrown) {
          fault ??= inFile(path, thrown);
          return new ArrayBuffer(end - start);
        }
      },
    },
  };
};

/** @throws FloeError `data_malformed` with row and column */
export const readParquet = async (
  path: string,
  options: TypedOptions & { readonly maxBytes?: number } = {},
): Promise<Table> => {
  const file = await openFile(path);
  try {
    const { parquetMetadata, parquetRead } = await import('hyparquet');
    const { size } = await file.stat();
    const { maxBytes = MAX_BYTES, maxValues = MAX_VALUES } = options;
    const metadata = parquetMetadata(await footerOf(file, size), { geoparquet: false });
    const drop = new Set(options.drop);
    const elements = elementsOf(metadata, drop);
    const names = elements.map(({ name }) => name);
    checkNames(names);
    const kept = names.filter((name) => !drop.has(name));
    const checked = new Map(
      elements.flatMap((element) => (drop.has(element.name) ? [] : [[element.name, element]])),
    );
    const rows = checkDeclared(metadata, kept.length, maxBytes, maxValues);
    const table = createTypedTable(options);
    for (const name of names) table.column(name);
    const { buffer, check } = partsOf(file, path, size);
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      await checkGroup(file, size, group, checked, maxBytes);
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
      check();
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
