/**
 * @module The data of a scenario: training and test examples in shared memory, so that any number
 * of workers reads one copy.
 */
import { type Dataset, rowOf, featureLength, labelLength } from '../client/data/dataset.ts';
import { loadDataset } from '../client/data/load-node.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { SimulationData } from './task.ts';
import { shuffle } from '../client/data/sampling.ts';

export interface ScenarioData {
  readonly source: string;
  readonly train: Dataset;
  readonly test: Dataset;
}

/** One part in this many is held out if a source has no test part. */
const HOLD_OUT = 6;

/** Room of the same kind in shared memory. */
const sharedLike = <Numbers extends Float32Array | Int32Array | Uint8Array>(
  like: Numbers,
  length: number,
): Numbers => {
  const memory = new SharedArrayBuffer(length * like.BYTES_PER_ELEMENT);
  return new (like.constructor as new (memory: SharedArrayBuffer) => Numbers)(memory);
};

/** Rows of `data` (in the order of `rows`; all where missing) in shared memory. */
const shareRows = (data: Dataset, rows?: Uint32Array): Dataset => {
  const { indices, ...rest } = data;
  const { features, labels } = data;
  const isShared = [features, labels].every(({ buffer }) => buffer instanceof SharedArrayBuffer);
  if (rows === undefined && indices === undefined && isShared) return data;
  const width = featureLength(data);
  const labelWidth = labelLength(data);
  const chosen = rows ?? rowsOf(data);
  const shared = {
    features: sharedLike(features, chosen.length * width),
    labels: sharedLike(labels, chosen.length * labelWidth),
  };
  for (const [i, row] of chosen.entries()) {
    shared.features.set(features.subarray(row * width, (row + 1) * width), i * width);
    shared.labels.set(labels.subarray(row * labelWidth, (row + 1) * labelWidth), i * labelWidth);
  }
  return { ...rest, ...shared, size: chosen.length };
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
    train: shareRows(train),
    test: shareRows(test),
  };
};

const rowsOf = (data: Dataset): Uint32Array =>
  Uint32Array.from({ length: data.size }, (_, i) => rowOf(data, i));

/**
 * Loads `mnist`, a CSV table or a folder of IDX files. A CSV table has no test part: a sixth of its
 * rows, chosen by the seed, is held out.
 *
 * @param bytes whether pixels may stay bytes; a caller's trainer does not expect them
 * @throws FloeError `file_not_found`, `data_malformed`, `data_unfit`
 */
export const loadScenarioData = async (
  source: string,
  seed: Uint8Array,
  bytes = false,
): Promise<ScenarioData> => {
  if (!/\.csv(\.gz)?$/iu.test(source)) {
    const [train, test] = await Promise.all([
      loadDataset(source, { part: 'train', shared: true, bytes }),
      loadDataset(source, { part: 'test', shared: true, bytes }),
    ]);
    return {
      source,
      train: shareRows(train),
      test: shareRows(test),
    };
  }
  const all = await loadDataset(source);
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
