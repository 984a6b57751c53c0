/**
 * @module The data of a scenario: training and test examples in shared memory, so that any number
 * of workers reads one copy.
 */
import { type Dataset, rowOf, featureLength, labelLength } from '../client/data/dataset.ts';
import { loadData } from '../client/data/load-node.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { SimulationData } from './task.ts';
import { shuffle } from '../client/data/sampling.ts';

export interface ScenarioData {
  readonly source: string;
  readonly train: Dataset;
  readonly test: Dataset;
}

/** One part in this many is held out where a source has no test part of its own. */
const HOLD_OUT = 6;

/** Rows of `data` (in the order of `rows`) copied into shared memory. */
const shareRows = (data: Dataset, rows: Uint32Array): Dataset => {
  const width = featureLength(data);
  const labelWidth = labelLength(data);
  const features = new Float32Array(new SharedArrayBuffer(rows.length * width * 4));
  const memory = new SharedArrayBuffer(rows.length * labelWidth * 4);
  const labels =
    data.labels instanceof Int32Array ? new Int32Array(memory) : new Float32Array(memory);
  for (const [i, row] of rows.entries()) {
    features.set(data.features.subarray(row * width, (row + 1) * width), i * width);
    labels.set(data.labels.subarray(row * labelWidth, (row + 1) * labelWidth), i * labelWidth);
  }
  const { indices: _, ...rest } = data;
  return { ...rest, features, labels, size: rows.length };
};

/**
 * The caller's own examples, copied into shared memory. @throws FloeError `data_unfit` for empty
 * ones
 */
export const shareData = ({ train, test, source = 'own data' }: SimulationData): ScenarioData => {
  if (train.size === 0 || test.size === 0)
    throw new FloeError('data_unfit', `${source}: expected training and test examples`);
  return {
    source,
    train: shareRows(train, rowsOf(train)),
    test: shareRows(test, rowsOf(test)),
  };
};

const rowsOf = (data: Dataset): Uint32Array =>
  Uint32Array.from({ length: data.size }, (_, i) => rowOf(data, i));

/**
 * Loads `mnist`, a CSV table or a folder of IDX files. A CSV table has no test part: a sixth of its
 * rows, chosen by the seed, is held out.
 *
 * @throws FloeError `file_not_found`, `data_malformed`, `data_unfit`
 */
export const loadScenarioData = async (source: string, seed: Uint8Array): Promise<ScenarioData> => {
  if (!/\.csv(\.gz)?$/iu.test(source)) {
    const [train, test] = await Promise.all([
      loadData(source, { part: 'train' }),
      loadData(source, { part: 'test' }),
    ]);
    return {
      source,
      train: shareRows(train, rowsOf(train)),
      test: shareRows(test, rowsOf(test)),
    };
  }
  const all = await loadData(source);
  if (all.size < HOLD_OUT)
    throw new FloeError('data_unfit', `${source}: expected at least ${HOLD_OUT} rows`);
  const order = shuffle(rowsOf(all), seededRandom(deriveSeed(seed, 'hold-out')));
  const held = Math.floor(all.size / HOLD_OUT);
  return {
    source,
    train: shareRows(all, order.slice(held)),
    test: shareRows(all, order.slice(0, held)),
  };
};
