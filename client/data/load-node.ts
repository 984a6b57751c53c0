/**
 * @module Opens a participant's data by a name or a path: `mnist`, a table (CSV, JSON, Parquet,
 * Arrow), NumPy arrays, images by class, IDX files. Tables keep their columns, which a data
 * contract maps to examples. Node only.
 */
import { open as openFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Dataset } from './dataset.ts';
import type { IdxOptions } from './images.ts';
import { FloeError } from '../../protocol/errors.ts';
import { loadMnist } from './mnist-node.ts';
import { loadPackageSet, PACKAGE_SETS } from './package-sets-node.ts';
import { loadNpy, loadNpyFolder, loadNpz } from './readers/arrays-node.ts';
import { type CsvOptions, readCsv } from './readers/csv.ts';
import { bytesOf, openOf, statOf } from './readers/files-node.ts';
import { IDX_IMAGES, imagesOfPart, loadIdx } from './readers/idx-node.ts';
import {
  type ImageOptions,
  isImageFolder,
  loadImage,
  loadImages,
} from './readers/image-folder-node.ts';
import { readJson } from './readers/json.ts';
import { inFile, malformed, someNames } from './readers/limits.ts';
import { type LabelOptions, datasetOfTable } from './table-dataset.ts';
import type { Table } from './table.ts';

export interface TableOptions extends CsvOptions {
  /** Most bytes a file may have, unpacked. Default 4 GiB - 1. */
  readonly maxBytes?: number;
}

export interface LoadOptions
  extends TableOptions, IdxOptions, Pick<ImageOptions, 'imageSize' | 'unlabelled'> {
  /** Which part of `mnist`, or of a file or folder that holds both. Default `train`. */
  readonly part?: 'train' | 'test';
}

/** Tables wait for a data contract; images and arrays are examples as they are. */
export type Loaded = (
  | { readonly type: 'table'; readonly table: Table }
  | {
      readonly type: 'dataset';
      readonly data: Dataset;
      /** Notes of the reader for the user; a table has its own. */
      readonly notes?: readonly string[];
    }
) & {
  /** Whether the same source has the part `test`. */
  readonly hasTest?: boolean;
};

const TEXT_TABLE = /\.(csv|tsv|tab|psv|txt|data|dat)(\.gz)?$/iu;
const JSON_TABLE = /\.(json|jsonl|ndjson)(\.gz)?$/iu;
const PARQUET = /\.(parquet|pq)$/iu;
const ARROW = /\.(arrow|arrows|feather|ipc)(\.gz)?$/iu;
const NPY = /\.npy(\.gz)?$/iu;
const NPZ = /\.npz$/iu;

type Kind = 'csv' | 'json' | 'parquet' | 'arrow' | 'npy' | 'npz' | 'idx' | 'image';

/** First bytes of files, as Latin-1, that tell their kind whatever they are called. */
const MAGIC: readonly (readonly [string, Kind])[] = [
  ['PAR1', 'parquet'],
  ['ARROW1', 'arrow'],
  ['\u0093NUMPY', 'npy'],
  ['\u0089PNG', 'image'],
  ['\u00FF\u00D8\u00FF', 'image'],
];

const startOf = async (path: string): Promise<string> => {
  try {
    const file = await openFile(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (thrown) {
    throw inFile(path, thrown);
  }
};

/** The kind of a file by its first bytes, else by its name. */
const kindOf = async (path: string): Promise<Kind> => {
  const start = await startOf(path);
  const found = MAGIC.find(([magic]) => start.startsWith(magic))?.[1];
  if (found !== undefined) return found;
  if (PARQUET.test(path)) return 'parquet';
  if (ARROW.test(path)) return 'arrow';
  if (NPZ.test(path)) return 'npz';
  if (NPY.test(path)) return 'npy';
  if (JSON_TABLE.test(path)) return 'json';
  if (IDX_IMAGES.test(basename(path))) return 'idx';
  const [a, b, type = '', dimensions = ''] = start;
  if (a === '\0' && b === '\0' && type >= '\b' && type <= '\u000e' && dimensions <= '\u0008')
    throw inFile(
      path,
      malformed('an IDX array alone: give the file of images, such as train-images-idx3-ubyte'),
    );
  return 'csv';
};

const tableOf = async (
  kind: Kind,
  path: string,
  options: TableOptions,
): Promise<Table | undefined> => {
  const { maxBytes } = options;
  switch (kind) {
    case 'csv':
      return readCsv(openOf(path, maxBytes), path, options);
    case 'json':
      return readJson(openOf(path, maxBytes), path, options);
    case 'parquet': {
      const { readParquet } = await import('./readers/parquet-node.ts');
      return readParquet(path, options);
    }
    case 'arrow': {
      const { readArrow } = await import('./readers/arrow-node.ts');
      return readArrow(await bytesOf(path, maxBytes), path, options);
    }
    case 'npy': {
      const found = await loadNpy(path, options);
      return found.type === 'table' ? found.table : undefined;
    }
    case 'npz':
    case 'idx':
    case 'image':
      return undefined;
  }
};

/**
 * Reads a table, packed with gzip or not: CSV with any separator, JSON, Parquet, Arrow, or an array
 * of NumPy with two dimensions.
 * @throws FloeError `file_not_found`, `data_malformed` with row and column, `usage`
 */
export const readTable = async (path: string, options: TableOptions = {}): Promise<Table> => {
  const { isFolder } = await statOf(path);
  if (isFolder) throw inFile(path, malformed('expected a file with a table, got a folder'));
  const table = await tableOf(await kindOf(path), path, options);
  if (table === undefined)
    throw inFile(path, malformed('expected a table, got arrays of examples'));
  return table;
};

const loadFile = async (path: string, options: LoadOptions): Promise<Loaded> => {
  const kind = await kindOf(path);
  if (kind === 'npz') return { type: 'dataset', ...(await loadNpz(path, options)) };
  if (kind === 'image') return { type: 'dataset', ...(await loadImage(path, options)) };
  if (kind === 'idx')
    return { type: 'dataset', data: await loadIdx(dirname(path), basename(path), options) };
  if (kind === 'npy') {
    const found = await loadNpy(path, options);
    if (found.type === 'array') return { type: 'dataset', ...found.array };
    return found;
  }
  const table = await tableOf(kind, path, options);
  if (table === undefined) throw inFile(path, malformed('expected a table'));
  return { type: 'table', table };
};

const isTable = (name: string): boolean =>
  [TEXT_TABLE, JSON_TABLE, PARQUET, ARROW].some((kind) => kind.test(name));

/** The table of a part among the files of a folder: the only one, or `train.csv` and `test.csv`. */
const tableIn = (
  names: readonly string[],
  part: 'train' | 'test',
): { name: string; hasTest: boolean } | undefined => {
  const tables = names.filter(isTable);
  const of = (which: string): string | undefined =>
    tables.find((name) => new RegExp(`^${which}(ing)?\\.`, 'iu').test(name));
  const [train, test] = [of('train'), of('test')];
  if (train !== undefined && test !== undefined)
    return { name: part === 'train' ? train : test, hasTest: true };
  const [only, ...more] = tables;
  if (only === undefined || more.length > 0 || part === 'test') return undefined;
  return { name: only, hasTest: false };
};

const loadFolder = async (folder: string, options: LoadOptions): Promise<Loaded> => {
  const { part = 'train' } = options;
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  if (names.some((name) => IDX_IMAGES.test(name))) {
    const { images, hasTest } = imagesOfPart(names, part);
    return { type: 'dataset', data: await loadIdx(folder, images, options), hasTest };
  }
  if (names.some((name) => NPY.test(name)))
    return { type: 'dataset', ...(await loadNpyFolder(folder, options)) };
  if (await isImageFolder(folder))
    return { type: 'dataset', ...(await loadImages(folder, options)) };
  const found = tableIn(names, part);
  if (found !== undefined)
    return { ...(await loadFile(join(folder, found.name), options)), hasTest: found.hasTest };
  throw malformed(
    `no data of the ${part} part: expected a folder of images for each class, train.csv and test.csv, ` +
      `one table, .npy or IDX files; found ${names.length === 0 ? 'nothing' : someNames(names)}`,
  );
};

/** Neither a path nor a file's name: what a data set could be called. */
const isName = (source: string): boolean => /^[\w-]+$/u.test(source);

/** A missing file that may have been meant as a data set by name. */
const orNamed = (thrown: unknown): unknown =>
  thrown instanceof FloeError && thrown.code === 'file_not_found'
    ? new FloeError(
        'file_not_found',
        `${thrown.message}; data sets by name: mnist, ${Object.keys(PACKAGE_SETS).join(', ')}`,
        thrown.details,
        { cause: thrown },
      )
    : thrown;

/**
 * Loads `mnist`, a table, NumPy arrays, a folder of images by class, or IDX files with their labels
 * next to them. docs/data-files.md has the rules.
 * @throws FloeError `file_not_found`, `data_malformed` with file, row and column, `usage`
 */
export const loadData = async (source: string, options: LoadOptions = {}): Promise<Loaded> => {
  const { part = 'train' } = options;
  if (source === 'mnist')
    return { type: 'dataset', data: await loadMnist(part, options), hasTest: true };
  const carried = await loadPackageSet(source, options);
  if (carried !== undefined)
    return 'columns' in carried
      ? { type: 'table', table: carried }
      : { type: 'dataset', data: carried };
  const { isFolder } = await statOf(source).catch((thrown: unknown): never => {
    throw isName(source) ? orNamed(thrown) : thrown;
  });
  try {
    return await (isFolder ? loadFolder(source, options) : loadFile(source, options));
  } catch (thrown) {
    throw inFile(source, thrown);
  }
};

/**
 * What a source has to use a model on: its part `test` where it has one, which no run trains on,
 * else all of it.
 * @throws FloeError of `loadData`
 */
export const loadToUse = async (
  source: string,
  options: Omit<LoadOptions, 'part'> = {},
): Promise<Loaded> => {
  if (source === 'mnist') return loadData(source, { ...options, part: 'test' });
  const loaded = await loadData(source, options);
  return loaded.hasTest === true ? loadData(source, { ...options, part: 'test' }) : loaded;
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
