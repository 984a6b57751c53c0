/**
 * @module NumPy arrays as examples or as tables: `X` and `y` in one .npz or in two .npy files side
 * by side, or one .npy file of two dimensions, which is a table with columns c1 to cn. Node only.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Dataset, createDataset } from '../dataset.ts';
import { allocate } from '../images.ts';
import { type Table, createTable } from '../table.ts';
import { bytesOf } from './files-node.ts';
import { MAX_BYTES, checkSize, inFile, malformed, someNames } from './limits.ts';
import { type NpyArray, type NumberArray, parseNpy } from './npy.ts';
import { filesOfZip } from './zip-node.ts';

export interface ArrayOptions {
  readonly part?: 'train' | 'test';
  readonly shared?: boolean;
  readonly bytes?: boolean;
  readonly maxBytes?: number;
}

export interface ArrayData {
  readonly data: Dataset;
  readonly hasTest: boolean;
  readonly notes: readonly string[];
}

/** Names of inputs and of labels, the usual ones first. */
const INPUTS = ['x', 'data', 'features', 'images', 'inputs', 'samples', 'arr_0'];
const LABELS = ['y', 'labels', 'label', 'targets', 'target', 'classes', 'arr_1'];
/** Integer labels up to here are classes. */
const MAX_CLASSES = 10_000;

type Part = 'train' | 'test';

const withPart = (names: readonly string[], part: Part): string[] =>
  names.flatMap((name) => [
    `${name}_${part}`,
    `${part}_${name}`,
    `${name}${part}`,
    `${part}${name}`,
    `${name}-${part}`,
    `${part}-${name}`,
  ]);

const firstOf = (
  found: ReadonlyMap<string, string>,
  names: readonly string[],
): string | undefined => {
  const name = names.find((each) => found.has(each));
  return name === undefined ? undefined : found.get(name);
};

interface Pair {
  readonly x: string;
  readonly y: string;
  readonly hasTest: boolean;
}

/** The names of inputs and labels among arrays; undefined: there are no such two. */
const pairOf = (names: readonly string[], part: Part): Pair | undefined => {
  const found = new Map(names.map((name) => [name.toLowerCase(), name]));
  const has = (of: Part): boolean => firstOf(found, withPart(INPUTS, of)) !== undefined;
  const hasTest = has('test');
  const parted = has('train') || hasTest;
  if (part === 'test' && !hasTest) return undefined;
  const x = firstOf(found, parted ? withPart(INPUTS, part) : INPUTS);
  const y = firstOf(found, parted ? withPart(LABELS, part) : LABELS);
  return x === undefined || y === undefined ? undefined : { x, y, hasTest };
};

const expectedPair = (part: Part): string =>
  part === 'train' ? 'X and y, or X_train and y_train' : 'X_test and y_test';

const floats = (length: number, shared: boolean | undefined): Float32Array =>
  new Float32Array(allocate(length, shared));

const featuresOf = (
  x: NumberArray,
  options: ArrayOptions,
): { features: Dataset['features']; notes: string[] } => {
  // Bytes of an image are pixels, as in the files of MNIST; a table of bytes is one of numbers.
  const isPixels = x.values instanceof Uint8Array && x.shape.length >= 3;
  const notes = isPixels ? ['bytes of 0 to 255 are pixels: divided by 255'] : [];
  if (isPixels && options.bytes === true) {
    const { length } = x.values;
    const bytes = new Uint8Array(
      options.shared === true ? new SharedArrayBuffer(length) : new ArrayBuffer(length),
    );
    bytes.set(x.values);
    return { features: bytes, notes };
  }
  const features = floats(x.values.length, options.shared);
  const scale = isPixels ? 255 : 1;
  for (let i = 0; i < features.length; i += 1) features[i] = (x.values[i] as number) / scale;
  return { features, notes };
};

type Labels = Pick<Dataset, 'labels' | 'classes' | 'classNames'>;

/** Classes by the texts or numbers that occur, sorted. */
const namedLabels = <T extends string | number>(
  values: ArrayLike<T>,
  shared: boolean | undefined,
): Labels => {
  const list = Array.from(values);
  const distinct = [...new Set(list)].toSorted((a, b) => (a < b ? -1 : 1));
  if (distinct.length > MAX_CLASSES)
    throw malformed(
      `${distinct.length} different labels: for values to predict save them as decimal numbers`,
    );
  const places = new Map(distinct.map((value, i) => [value, i]));
  const labels = new Int32Array(allocate(list.length, shared));
  for (const [i, value] of list.entries()) labels[i] = places.get(value) as number;
  return { labels, classes: distinct.length, classNames: distinct.map(String) };
};

const labelsOf = (y: NpyArray, rows: number, shared: boolean | undefined): Labels => {
  const shape = y.shape.length === 2 && y.shape[1] === 1 ? [rows] : y.shape;
  if (y.type === 'texts') {
    if (shape.length !== 1)
      throw malformed(
        `labels of texts have shape [${y.shape.join(', ')}], expected one an example`,
      );
    return namedLabels(y.values, shared);
  }
  const { values, whole } = y;
  if (!whole) {
    const labels = floats(values.length, shared);
    labels.set(values);
    return { labels };
  }
  let [smallest, largest] = [0, 0];
  for (const value of values) {
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
  }
  if (shape.length > 1 && largest <= 1 && smallest >= 0) {
    // Ones and zeros for each class or label.
    const labels = floats(values.length, shared);
    labels.set(values);
    return { labels };
  }
  if (shape.length === 1 && (smallest < 0 || largest >= MAX_CLASSES))
    return namedLabels(values as ArrayLike<number>, shared);
  if (smallest < 0 || largest >= 2 ** 31)
    throw malformed(`labels from ${smallest} to ${largest}: expected classes from 0`);
  const labels = new Int32Array(allocate(values.length, shared));
  labels.set(values);
  return { labels, classes: largest + 1 };
};

/** @throws FloeError `data_malformed` where the arrays do not fit together */
export const datasetOfArrays = (
  x: NpyArray,
  y: NpyArray,
  options: ArrayOptions = {},
): Pick<ArrayData, 'data' | 'notes'> => {
  if (x.type === 'texts')
    throw malformed('the inputs are texts: save such a table as CSV or Parquet');
  const [rows = 0, ...rest] = x.shape;
  if (x.shape.length === 0 || rows === 0 || x.values.length === 0)
    throw malformed('the inputs hold no example');
  if (y.shape[0] !== rows)
    throw malformed(
      `expected a label for each of ${rows} examples, got an array of [${y.shape.join(', ')}]`,
    );
  const { features, notes } = featuresOf(x, options);
  const isGrey = x.values instanceof Uint8Array && rest.length === 2;
  const featureShape = rest.length === 0 ? [1] : isGrey ? [...rest, 1] : rest;
  return {
    data: createDataset({ features, ...labelsOf(y, rows, options.shared), featureShape }),
    notes,
  };
};

/** An array of one or two dimensions as a table with columns c1 to cn. */
export const tableOfArray = (array: NpyArray): Table => {
  const [rows = 0, width = 1] = array.shape;
  if (array.shape.length === 0 || array.shape.length > 2)
    throw malformed(
      `an array of ${array.shape.length} dimensions needs its labels: save both, np.savez("data.npz", X=X, y=y)`,
    );
  if (rows === 0 || width === 0) throw malformed('expected a table, found no row');
  checkSize(rows, width);
  const columns = Array.from({ length: width }, (_, column) => {
    const name = `c${column + 1}`;
    if (array.type === 'numbers') {
      const values = Float64Array.from(
        { length: rows },
        (_row, row) => array.values[row * width + column] as number,
      );
      const at = values.findIndex((value) => !Number.isFinite(value) && !Number.isNaN(value));
      if (at >= 0)
        throw malformed('the value is infinite: write a number or NaN', {
          row: at + 1,
          column: name,
        });
      return { type: 'number' as const, name, values };
    }
    const texts = [
      ...new Set(
        Array.from({ length: rows }, (_row, row) => array.values[row * width + column] as string),
      ),
    ];
    const places = new Map(texts.map((text, i) => [text, i]));
    const codes = Int32Array.from(
      { length: rows },
      (_row, row) => places.get(array.values[row * width + column] as string) as number,
    );
    return { type: 'text' as const, name, codes, texts };
  });
  return createTable(columns, { notes: [`no header: the columns are named c1 to c${width}`] });
};

/** Arrays of a .npz file. @throws FloeError `data_malformed` */
export const loadNpz = async (path: string, options: ArrayOptions = {}): Promise<ArrayData> => {
  const { part = 'train', maxBytes = MAX_BYTES } = options;
  const bytes = await bytesOf(path, maxBytes);
  try {
    const files = filesOfZip(bytes, maxBytes).filter(({ name }) => /\.npy$/iu.test(name));
    const names = files.map(({ name }) => name.replace(/\.npy$/iu, ''));
    const pair = pairOf(names, part);
    if (pair === undefined)
      throw malformed(
        `expected arrays ${expectedPair(part)}, found ${names.length === 0 ? 'none' : someNames(names)}`,
      );
    const read = (name: string): NpyArray => {
      try {
        return parseNpy(files[names.indexOf(name)]?.read() ?? new Uint8Array(0));
      } catch (thrown) {
        throw inFile(`${path}: ${name}`, thrown);
      }
    };
    return { ...datasetOfArrays(read(pair.x), read(pair.y), options), hasTest: pair.hasTest };
  } catch (thrown) {
    throw inFile(path, thrown);
  }
};

const readNpy = async (path: string, maxBytes?: number): Promise<NpyArray> => {
  const bytes = await bytesOf(path, maxBytes);
  try {
    return parseNpy(bytes);
  } catch (thrown) {
    throw inFile(path, thrown);
  }
};

const NPY = /\.npy(\.gz)?$/iu;

/** Arrays of the .npy files of a folder. @throws FloeError `data_malformed` */
export const loadNpyFolder = async (
  folder: string,
  options: ArrayOptions = {},
): Promise<ArrayData> => {
  try {
    const { part = 'train', maxBytes } = options;
    const files = (await readdir(folder))
      .filter((name) => NPY.test(name))
      .toSorted((a, b) => (a < b ? -1 : 1));
    const names = files.map((name) => name.replace(NPY, ''));
    const pair = pairOf(names, part);
    if (pair === undefined)
      throw malformed(`expected ${expectedPair(part)} as .npy files, found ${someNames(files)}`);
    const read = async (name: string): Promise<NpyArray> =>
      readNpy(join(folder, files[names.indexOf(name)] as string), maxBytes);
    const [x, y] = [await read(pair.x), await read(pair.y)];
    return { ...datasetOfArrays(x, y, options), hasTest: pair.hasTest };
  } catch (thrown) {
    throw inFile(folder, thrown);
  }
};

/** One .npy file: with its labels next to it, else a table. */
export const loadNpy = async (
  path: string,
  options: ArrayOptions = {},
): Promise<
  | { readonly type: 'array'; readonly array: ArrayData }
  | { readonly type: 'table'; readonly table: Table }
> => {
  const own = basename(path).replace(NPY, '').toLowerCase();
  const siblings = await readdir(dirname(path));
  const x = await readNpy(path, options.maxBytes);
  // The same name with the word for labels: X_train and y_train, images and labels.
  const wanted = INPUTS.flatMap((input, i) => {
    const at = own.indexOf(input);
    if (at < 0) return [];
    const label = i === 0 ? LABELS.slice(0, 1) : LABELS;
    return label.map((name) => own.slice(0, at) + name + own.slice(at + input.length));
  });
  const partner = siblings.find(
    (name) => NPY.test(name) && wanted.includes(name.replace(NPY, '').toLowerCase()),
  );
  try {
    if (partner === undefined)
      return { type: 'table', table: { ...tableOfArray(x), source: path } };
    const y = await readNpy(join(dirname(path), partner), options.maxBytes);
    const { data, notes } = datasetOfArrays(x, y, options);
    return {
      type: 'array',
      array: { data, hasTest: false, notes: [...notes, `labels: ${partner}`] },
    };
  } catch (thrown) {
    throw inFile(path, thrown);
  }
};
