/**
 * @module Opens a participant's examples by a name or a path: `mnist`, a CSV table, or a folder of
 * IDX files. Node only.
 */
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import { type CsvOptions, parseCsv } from './csv.ts';
import type { Dataset } from './dataset.ts';
import { type IdxArray, parseIdx } from './idx.ts';
import { type IdxOptions, idxDataset } from './images.ts';
import { loadMnist } from './mnist-node.ts';

export interface LoadOptions extends CsvOptions, IdxOptions {
  /** Which part of `mnist`, or of a folder that holds both. Default `train`. */
  readonly part?: 'train' | 'test';
  /** Most bytes a file may have, unpacked. Default 4 GiB - 1. */
  readonly maxBytes?: number;
}

const LARGEST = 2 ** 32 - 1;

const readBytes = async (path: string, maxBytes = LARGEST): Promise<Uint8Array> => {
  const { size } = await stat(path);
  if (size > maxBytes)
    throw new FloeError('data_malformed', `${path}: ${size} bytes, the limit is ${maxBytes}`);
  const bytes = await readFile(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FloeError('data_malformed', `${path}: ${reason}`, {}, { cause: thrown });
  }
};

/** @throws FloeError of `parseCsv`, with the file named; `data_malformed` where it is not UTF-8 */
const tableOf = (path: string, bytes: Uint8Array, options: CsvOptions): Dataset => {
  try {
    return parseCsv(new TextDecoder('utf-8', { fatal: true }).decode(bytes), options);
  } catch (thrown) {
    const { code, message, details } = toFloeError(thrown, 'data_malformed');
    throw new FloeError(code, `${path}: ${message}`, details, { cause: thrown });
  }
};

const readIdx = async (path: string, maxBytes?: number): Promise<IdxArray> =>
  parseIdx(await readBytes(path, maxBytes), basename(path));

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
  if (!found)
    throw new FloeError('data_malformed', `${folder}: no images of the ${part} part in IDX files`);
  return found;
};

const loadIdx = async (folder: string, images: string, options: LoadOptions): Promise<Dataset> => {
  const matching = partner(images);
  const labels = (await readdir(folder)).find((name) => matching.test(name));
  if (labels === undefined)
    throw new FloeError('data_malformed', `${join(folder, images)}: no file of labels next to it`);
  const { maxBytes } = options;
  const [x, y] = await Promise.all([
    readIdx(join(folder, images), maxBytes),
    readIdx(join(folder, labels), maxBytes),
  ]);
  return idxDataset(x, y, options);
};

/**
 * Loads `mnist`, a .csv or .csv.gz file, a folder of IDX files, or one file of IDX images with its
 * labels next to it (plain or gzip).
 * @throws FloeError `file_not_found`, `data_malformed`
 */
export const loadData = async (source: string, options: LoadOptions = {}): Promise<Dataset> => {
  const { part = 'train', maxBytes } = options;
  if (source === 'mnist') return loadMnist(part, options);
  let folder: boolean;
  try {
    folder = (await stat(source)).isDirectory();
  } catch (thrown) {
    throw new FloeError('file_not_found', `no file or folder ${source}`, {}, { cause: thrown });
  }
  if (folder) return loadIdx(source, pick(await readdir(source), part, source), options);
  if (/\.csv(\.gz)?$/iu.test(source)) {
    const bytes = await readBytes(source, maxBytes);
    return tableOf(source, bytes, options);
  }
  if (IMAGES.test(basename(source))) return loadIdx(dirname(source), basename(source), options);
  throw new FloeError(
    'data_malformed',
    `${source}: expected "mnist", a .csv file, IDX images or a folder of IDX files`,
  );
};
