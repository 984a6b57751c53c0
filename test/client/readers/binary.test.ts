/**
 * @module Parquet, Arrow, JSON and NumPy arrays: values, and refusals with a place.
 */
import { describe, expect, it } from 'vitest';
import { loadData } from '../../../client/data/load-node.ts';
import { FIXTURES } from './fixtures.ts';
import { doubles, npy, numbers, zip } from './make-files.ts';
import { PARQUET_CHECKSUMS, PARQUET_DELTA, PARQUET_PLAIN } from './parquet-fixtures.ts';
import { examples, placesOf } from './places.ts';
import type { Values } from './text-cases.ts';
import { valuesOf } from './values-of.ts';

const place = placesOf('floe-binary-');
const bytes = (name: keyof typeof FIXTURES): Uint8Array => Buffer.from(FIXTURES[name], 'base64');
const AGES: Values = { age: [41, 52, null, 7], sex: ['f', 'm', null, 'f'] };
const RUN: Values = {
  n: Array.from({ length: 400 }, (_, i) => Math.floor(i / 50)),
  s: Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 'cd' : 'ab')),
};
/** What the files of `parquet-fixtures.ts` hold. */
const NINE: Values = {
  a: [-30, -23, -16, -9, -2, null, null, 19, 26],
  b: [0, 1, 8, 27, 64, 125, null, 343, 512],
  c: [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2],
  f: [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1],
  d: ['aa', 'aa', null, 'aa', 'aa', 'abc', 'b', 'b', 'b'],
  e: ['false', null, 'true', null, 'true', 'true', 'false', 'true', 'true'],
  g: Array.from({ length: 9 }, (_, i) => `prefix${Math.floor(i / 3)}`),
};
const parquet = (base64: string): Uint8Array => Buffer.from(base64, 'base64');
const LINES = '{"a":1,"b":"x"}\n\n{"b":null,"a":2.5,"c":true}\n';

const tables: readonly (readonly [string, string, string | Uint8Array, Values])[] = [
  ['Parquet with gzip', 't.parquet', bytes('parquet_gzip'), AGES],
  ['Parquet with zstd', 't.parquet', bytes('parquet_zstd'), AGES],
  ['Parquet with LZ4', 't.parquet', bytes('parquet_lz4'), AGES],
  ['Parquet with Brotli', 't.pq', bytes('parquet_brotli'), AGES],
  [
    'Parquet of every type, with another name',
    't.bin',
    bytes('parquet_snappy'),
    {
      ...AGES,
      weight: [1.5, -2.25, 0.1, null],
      ok: ['true', 'false', null, 'true'],
      day: ['2020-01-02', null, '1999-12-31', '2020-01-02'],
    },
  ],
  ['Parquet of differences and split bytes', 't.parquet', parquet(PARQUET_DELTA), NINE],
  ['Parquet of version 2 with checksums', 't.parquet', parquet(PARQUET_CHECKSUMS), NINE],
  ['Parquet without packing', 't.parquet', parquet(PARQUET_PLAIN), NINE],
  ['Feather with LZ4', 't.feather', bytes('feather_lz4'), RUN],
  ['Feather with zstd', 't.arrow', bytes('feather_zstd'), RUN],
  ['JSON lines', 't.jsonl', LINES, { a: [1, 2.5], b: ['x', null], c: [null, 'true'] }],
  ['a list of objects', 't.json', '[{"a":"1"},{"a":"2"}]', { a: [1, 2] }],
  [
    'an array of two dimensions',
    't.npy',
    npy('<f8', [2, 2], doubles([1, 2, 3, NaN])),
    { c1: [1, 3], c2: [2, null] },
  ],
  [
    'an array by columns',
    't.npy',
    npy('<f8', [2, 3], doubles([0, 3, 1, 4, 2, 5]), true),
    { c1: [0, 3], c2: [1, 4], c3: [2, 5] },
  ],
  [
    'big-endian integers',
    't.npy',
    npy('>i2', [2], Uint8Array.of(1, 0, 0xff, 0xfe)),
    { c1: [256, -2] },
  ],
  [
    'half floats',
    't.npy',
    npy('<f2', [3], Uint8Array.of(0, 0x3e, 0, 0xc0, 1, 0)),
    { c1: [1.5, -2, 2 ** -24] },
  ],
  [
    'texts',
    't.npy',
    npy(
      '<U2',
      [2],
      numbers([97, 98, 99, 0], 4, (view, at, value) => view.setUint32(at, value, true)),
    ),
    { c1: ['ab', 'c'] },
  ],
];

const refused: readonly (readonly [string, string, string | Uint8Array, RegExp])[] = [
  ['Parquet cut short', 't.parquet', bytes('parquet_gzip').subarray(0, 200), /t\.parquet/u],
  [
    'Parquet that points beyond its end',
    't.parquet',
    bytes('parquet_gzip').map((byte, at) => (at === 255 ? 126 : byte)),
    /beyond the end/u,
  ],
  [
    'a Parquet page with another checksum',
    't.parquet',
    // The last byte of the last page, before the footer.
    parquet(PARQUET_CHECKSUMS).map((byte, at, all) =>
      at === all.length - 9 - Buffer.from(all).readUInt32LE(all.length - 8) ? byte ^ 1 : byte,
    ),
    /column g: damaged page: its checksum differs/u,
  ],
  [
    'lists in Parquet',
    't.parquet',
    bytes('parquet_lists'),
    /column x: .*lists or groups.*--drop-column/u,
  ],
  ['Feather cut short', 't.feather', bytes('feather_lz4').subarray(0, 900), /t\.feather/u],
  ['Feather of version 1', 't.feather', 'FEA1....', /version 2/u],
  ['a line that is no JSON', 't.jsonl', '{"a":1}\n{"a":\n', /line 2: not JSON/u],
  ['a line that is no object', 't.jsonl', '{"a":1}\n[1]\n', /row 2: expected an object/u],
  ['a list in a row', 't.jsonl', '{"a":[1]}\n', /row 1, column a: the value is a list/u],
  ['JSON in columns', 't.json', '{"a":{"0":1}}', /a list, an object/u],
  ['an array of objects', 't.npy', npy('|O', [1], new Uint8Array(8)), /Python objects/u],
  ['complex numbers', 't.npy', npy('<c16', [1], new Uint8Array(16)), /elements of type c16: save/u],
  [
    'more elements than bytes',
    't.npy',
    npy('<f8', [2 ** 20, 200], new Uint8Array(8)),
    /need \d+ bytes, got/u,
  ],
  [
    'more elements than the limit',
    't.npy',
    npy('<f8', [2 ** 30, 2 ** 30], new Uint8Array(8)),
    /split the array/u,
  ],
  [
    'a large integer',
    't.npy',
    npy('<i8', [1], Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x10)),
    /larger than 2\^53/u,
  ],
  ['an array without labels', 't.npy', npy('|u1', [1, 2, 2], new Uint8Array(4)), /np\.savez/u],
  [
    'an archive without X and y',
    't.npz',
    zip({ 'q.npy': npy('<f8', [1], doubles([1])) }),
    /expected arrays X and y.*found q/u,
  ],
  [
    'an archive that lies about a size',
    't.npz',
    zip(
      { 'X.npy': npy('<f8', [1], doubles([1])), 'y.npy': npy('|u1', [1], new Uint8Array(1)) },
      { deflate: true, declared: 64 },
    ),
    /X\.npy/u,
  ],
  [
    'an archive that unpacks to more than the limit',
    't.npz',
    zip({ 'X.npy': new Uint8Array(9) }, { declared: 0xfffffffe }),
    /./u,
  ],
  [
    'labels of another count',
    't.npz',
    zip({
      'X.npy': npy('<f8', [2, 1], doubles([1, 2])),
      'y.npy': npy('|u1', [1], new Uint8Array(1)),
    }),
    /a label for each of 2/u,
  ],
];

describe('tables with types', () => {
  it.each(tables)('reads %s', async (_, name, content, values) => {
    const loaded = await loadData(await place({ [name]: content }, name));
    expect(loaded.type === 'table' ? valuesOf(loaded.table) : loaded).toEqual(values);
  });

  it.each(refused)('refuses %s', async (_, name, content, message) => {
    const path = await place({ [name]: content }, name);
    await expect(loadData(path)).rejects.toMatchObject({
      code: 'data_malformed',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('arrays', () => {
  const floats = (values: readonly number[]): Uint8Array =>
    numbers(values, 4, (view, at, value) => view.setFloat32(at, value, true));

  it('reads X and y of an archive that NumPy packed', async () => {
    expect(await examples(await place({ 'a.npz': bytes('npz') }, 'a.npz'))).toEqual({
      features: Array.from({ length: 12 }, (_, i) => i),
      labels: [2, 0, 1],
      featureShape: [4],
      classes: 3,
      hasTest: false,
      notes: [],
    });
  });

  it('reads the parts of an archive; bytes of images are pixels, texts are classes', async () => {
    const path = await place(
      {
        'a.npz': zip({
          'x_train.npy': npy('|u1', [2, 1, 2], Uint8Array.of(0, 255, 51, 102)),
          'y_train.npy': npy('|S3', [2], Uint8Array.from(Buffer.from('dogcat'))),
          'x_test.npy': npy('|u1', [1, 1, 2], Uint8Array.of(255, 0)),
          'y_test.npy': npy('|S3', [1], Uint8Array.from(Buffer.from('dog'))),
        }),
      },
      'a.npz',
    );
    expect(await examples(path)).toMatchObject({
      features: [0, 1, 0.2, 0.4],
      labels: [1, 0],
      featureShape: [1, 2, 1],
      classNames: ['cat', 'dog'],
      hasTest: true,
      notes: ['bytes of 0 to 255 are pixels: divided by 255'],
    });
    expect(await examples(path, { part: 'test' })).toMatchObject({ features: [1, 0] });
  });

  it('reads two files side by side, a folder of them, and labels below 0', async () => {
    const files = {
      'X.npy': npy('<f4', [2, 1], floats([1.5, 2])),
      'y.npy': npy('|i1', [2, 1], Uint8Array.of(255, 1)),
    };
    const expected = { features: [1.5, 2], labels: [0, 1], classNames: ['-1', '1'] };
    expect(await examples(await place(files))).toMatchObject(expected);
    expect(await examples(await place(files, 'X.npy'))).toMatchObject(expected);
  });

  it('takes decimal labels, and ones and zeros, as values', async () => {
    const x = npy('<f4', [2, 1], floats([1, 2]));
    const of = (y: Uint8Array) => place({ 'a.npz': zip({ 'X.npy': x, 'y.npy': y }) }, 'a.npz');
    const values = await examples(await of(npy('<f4', [2], floats([0.5, 3]))));
    expect(values).toMatchObject({ labels: [0.5, 3] });
    expect(values).not.toHaveProperty('classes');
    const ones = await examples(await of(npy('|b1', [2, 2], Uint8Array.of(1, 0, 1, 1))));
    expect(ones).toMatchObject({ labels: [1, 0, 1, 1] });
  });
});
