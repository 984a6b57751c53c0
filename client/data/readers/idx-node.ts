/** @module Files of IDX arrays: images, with their labels next to them. Node only. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Dataset } from '../dataset.ts';
import { type IdxArray, parseIdx } from '../idx.ts';
import { type IdxOptions, idxDataset } from '../images.ts';
import { bytesOf } from './files-node.ts';
import { inFile, malformed } from './limits.ts';

export const IDX_IMAGES = /images[.-]idx\d/u;
const PREFIXES = { train: /^train/u, test: /^(t10k|test)/u };

type Options = IdxOptions & { readonly maxBytes?: number };

const readIdx = async (path: string, maxBytes?: number): Promise<IdxArray> =>
  parseIdx(await bytesOf(path, maxBytes), basename(path));

/** The labels' file of an images' file: the same name with `labels` and one dimension. */
const partner = (images: string): RegExp => {
  const start = images.replace(/images.*$/u, '').replace(/[^\w-]/gu, '.');
  return new RegExp(`^${start}labels[.-]idx1`, 'u');
};

/** @throws FloeError `data_malformed` */
export const loadIdx = async (
  folder: string,
  images: string,
  options: Options,
): Promise<Dataset> => {
  const matching = partner(images);
  const labels = (await readdir(folder)).find((name) => matching.test(name));
  if (labels === undefined)
    throw inFile(join(folder, images), malformed('no file of labels next to it'));
  try {
    const [x, y] = [
      await readIdx(join(folder, images), options.maxBytes),
      await readIdx(join(folder, labels), options.maxBytes),
    ];
    return idxDataset(x, y, options);
  } catch (thrown) {
    throw inFile(join(folder, images), thrown);
  }
};

/** Which of a folder's files holds the images of a part. */
export const imagesOfPart = (
  names: readonly string[],
  part: 'train' | 'test',
): { readonly images: string; readonly hasTest: boolean } => {
  const images = names.filter((name) => IDX_IMAGES.test(name));
  const hasTest = images.some((name) => PREFIXES.test.test(name));
  const only = images.length === 1 && part === 'train' ? images[0] : undefined;
  const found = images.find((name) => PREFIXES[part].test(name)) ?? only;
  if (found === undefined) throw malformed(`no images of the ${part} part in IDX files`);
  return { images: found, hasTest };
};
