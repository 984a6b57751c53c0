/**
 * @module Opens a participant's data by a name or a path: `mnist`, a table, or a folder of IDX
 * files. Tables keep their columns, which a data contract maps to examples. Node only.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Dataset } from './dataset.ts';
import { type IdxArray, parseIdx } from './idx.ts';
import { type IdxOptions, idxDataset } from './images.ts';
import { loadMnist } from './mnist-node.ts';
import { type CsvOptions, readCsv } from './readers/csv.ts';
import { bytesOf, openOf, statOf } from './readers/files-node.ts';
import { inFile, malformed } from './readers/limits.ts';
import { type LabelOptions, datasetOfTable } from './table-dataset.ts';
import type { Table } from './table.ts';

export interface TableOptions extends CsvOptions {
  /** Most bytes a file may have, unpacked. Default 4 GiB - 1. */
  readonly maxBytes?: number;
}

export interface LoadOptions extends TableOptions, IdxOptions {
  /** Which part of `mnist`, or of a folder that holds both. Default `train`. */
  readonly part?: 'train' | 'test';
}

/** Tables wait for a data contract; images and arrays are examples as they are. */
export type Loaded =
  | { readonly type: 'table'; readonly table: Table }
  | { readonly type: 'dataset'; readonly data: Dataset };

const readIdx = async (path: string, maxBytes?: number): Promise<IdxArray> =>
  parseIdx(await bytesOf(path, maxBytes), basename(path));

const IMAGES = /images[.-]idx\d/u;

/** The labels' file of an images' file: the same name with `labels` and one dimension. */
const partner = (images: string): RegExp => {
  const start = images.replace(/images.*$/u, '').replace(/[^\w-]/gu, '.');
  return new RegExp(`^${start}labels[.-]idx1`, 'u');
};

const pick = (names: readonly string[], part: 'train' | 'test', folder: string): string => {
  const images = names.filter((name) => IMAGES.test(name));
  const prefix = part === 'train' ? /^train/u : /^(t10k|test)/u;
  const found = images.find((name) => prefix.test(name)) ?? (images.length === 1 && images[0]);
  if (!found) throw inFile(folder, malformed(`no images of the ${part} part in IDX files`));
  return found;
};

const loadIdx = async (folder: string, images: string, options: LoadOptions): Promise<Dataset> => {
  const matching = partner(images);
  const labels = (await readdir(folder)).find((name) => matching.test(name));
  if (labels === undefined)
    throw inFile(join(folder, images), malformed('no file of labels next to it'));
  const { maxBytes } = options;
  const [x, y] = await Promise.all([
    readIdx(join(folder, images), maxBytes),
    readIdx(join(folder, labels), maxBytes),
  ]);
  return idxDataset(x, y, options);
};

/**
 * Reads a table, packed with gzip or not: CSV with any separator.
 * @throws FloeError `file_not_found`, `data_malformed` with row and column, `usage`
 */
export const readTable = async (path: string, options: TableOptions = {}): Promise<Table> => {
  const { isFolder } = await statOf(path);
  if (isFolder) throw inFile(path, malformed('expected a file with a table, got a folder'));
  return readCsv(openOf(path, options.maxBytes), path, options);
};

const dataset = (data: Dataset): Loaded => ({ type: 'dataset', data });

const TABLES = /\.(csv|tsv|tab|psv|txt|data|dat)(\.gz)?$/iu;

/**
 * Loads `mnist`, a table, a folder of IDX files, or one file of IDX images with its labels next to
 * it (plain or gzip).
 * @throws FloeError `file_not_found`, `data_malformed`
 */
export const loadData = async (source: string, options: LoadOptions = {}): Promise<Loaded> => {
  const { part = 'train' } = options;
  if (source === 'mnist') return dataset(await loadMnist(part, options));
  const { isFolder } = await statOf(source);
  if (isFolder)
    return dataset(await loadIdx(source, pick(await readdir(source), part, source), options));
  if (TABLES.test(source)) return { type: 'table', table: await readTable(source, options) };
  if (IMAGES.test(basename(source)))
    return dataset(await loadIdx(dirname(source), basename(source), options));
  throw inFile(
    source,
    malformed('expected "mnist", a .csv file, IDX images or a folder of IDX files'),
  );
};

/**
 * The examples of {@link loadData}; of a table those of `datasetOfTable`, without a data contract.
 * @throws FloeError of `loadData`, and `data_malformed` for a table that is not of numbers
 */
export const loadDataset = async (
  source: string,
  options: LoadOptions & LabelOptions = {},
): Promise<Dataset> => {
  const loaded = await loadData(source, options);
  if (loaded.type === 'dataset') return loaded.data;
  try {
    return datasetOfTable(loaded.table, options);
  } catch (thrown) {
    throw inFile(source, thrown);
  }
};
