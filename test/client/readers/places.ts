/** @module Folders with files for the tests of the readers, and what is read from them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type LoadOptions, loadData } from '../../../client/data/load-node.ts';

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A new folder with these files each time; gives the path of `of`, or of the folder. */
export const placesOf = (prefix: string): ((files: Files, of?: string) => Promise<string>) => {
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), prefix));
  });
  afterAll(() => rm(folder, { recursive: true }));
  return async (files, of = '.') => {
    count += 1;
    const home = join(folder, String(count));
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(home, name)), { recursive: true });
      await writeFile(join(home, name), content);
    }
    return join(home, of);
  };
};

/** Shape, values and labels of examples. */
export const examples = async (path: string, options: LoadOptions = {}) => {
  const loaded = await loadData(path, options);
  if (loaded.type !== 'dataset') throw new Error('expected examples');
  const { features, labels, featureShape, classes, classNames } = loaded.data;
  return {
    features: [...features].map((value) => Math.round(value * 1000) / 1000),
    labels: [...labels],
    featureShape,
    ...(classes === undefined ? {} : { classes }),
    ...(classNames === undefined ? {} : { classNames }),
    hasTest: loaded.hasTest,
    notes: loaded.notes,
  };
};
