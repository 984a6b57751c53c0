/** @module A right file of each kind that the readers know, by its name. */
import { gzipSync } from 'node:zlib';
import { tableFromArrays, tableToIPC } from '@uwdata/flechette';
import { encode } from 'jpeg-js';
import { FIXTURES } from './fixtures.ts';
import { doubles, grey, npy, zip } from './make-files.ts';
import { PARQUET_CHECKSUMS, PARQUET_DELTA, PARQUET_PLAIN } from './parquet-fixtures.ts';

const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64');
const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const table = text('a;b;"c ""d"""\n1,5;x;2\n2,5;"y\nz";3\n');
const arrow = tableFromArrays({
  a: Int32Array.of(1, 2, 3),
  b: ['x', 'yy', 'x'],
  c: [true, null, false],
});
const ipc = (format: 'stream' | 'file'): Uint8Array => tableToIPC(arrow, { format }) as Uint8Array;
const array = npy('<f8', [2, 1], doubles([1, 2]));

/** Labels of the IDX images lie next to them: {@link IDX_LABELS}. */
export const FILES: Readonly<Record<string, Uint8Array>> = {
  't.csv': table,
  't.tsv': Uint8Array.from(Buffer.from('\ufeffa\tb\n1\tx\n2\ty\n', 'utf16le')),
  't.csv.gz': gzipSync(table),
  't.jsonl': text('{"a":1,"b":"x"}\n{"a":2}\n'),
  't.json': text('[{"a":1,"b":"x"},{"a":2}]'),
  't.parquet': bytes(FIXTURES.parquet_snappy),
  'z.parquet': bytes(FIXTURES.parquet_lz4),
  'd.parquet': bytes(PARQUET_DELTA),
  'c.parquet': bytes(PARQUET_CHECKSUMS),
  'p.parquet': bytes(PARQUET_PLAIN),
  't.feather': bytes(FIXTURES.feather_zstd),
  'l.feather': bytes(FIXTURES.feather_lz4),
  's.arrows': ipc('stream'),
  'f.arrow': ipc('file'),
  't.npy': array,
  't.npz': zip({ 'X.npy': array, 'y.npy': array }, { deflate: true }),
  'train-images-idx3-ubyte': Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7),
  'images/a/1.png': grey(3, 2, 9),
  'images/b/1.jpg': encode({ width: 3, height: 2, data: Buffer.alloc(24, 7) }, 90).data,
};

export const IDX_LABELS = {
  name: 'train-labels-idx1-ubyte',
  bytes: Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 0),
} as const;
