/**
 * @module The data of a scenario: training and test examples in shared memory, so that any number
 * of workers reads one copy.
 */
import { type Dataset, rowOf, featureLength, labelLength } from '../client/data/dataset.ts';
import { applyContract } from '../client/data/contract/apply.ts';
import {
  inferContract,
  inferContractOfDataset,
  type InferredContract,
} from '../client/data/contract/infer.ts';
import type { Mapping } from '../client/data/contract/mapping.ts';
import { loadData, loadDataset, type LoadOptions } from '../client/data/load-node.ts';
import type { RowKeys } from '../client/data/skewed-partition.ts';
import type { Table } from '../client/data/table.ts';
import { chosenKeys, takeKeys } from './partition/keys.ts';
import type { TaskType } from '../client/task.ts';
import type { Contract } from '../protocol/spec/contract.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { SimulationData } from './task.ts';
import { shuffle } from '../client/data/sampling.ts';

export interface ScenarioData {
  readonly source: string;
  readonly train: Dataset;
  readonly test: Dataset;
  /** The data contract that both follow: the scenario's, or inferred from the whole data. */
  readonly contract?: Contract;
  /** What was decided for it, and warnings about the data. */
  readonly notes?: readonly string[];
  /** Of the training rows, where the partition is by a column. */
  readonly keys?: RowKeys;
}

export interface LoadScenarioOptions {
  /** Whether pixels may stay bytes; a caller's trainer does not expect them. Default false. */
  readonly bytes?: boolean;
  /** How files are read. */
  readonly read?: LoadOptions;
  /** Default: inferred, of tables and of data with class names. */
  readonly contract?: Contract | undefined;
  /** Which the inferred contract is for; default: by the target. */
  readonly task?: TaskType | undefined;
  /** The data's columns and values, by those of the contract. */
  readonly mapping?: Mapping | undefined;
  /** The column of a partition by its values; it is no input, unless a given contract names it. */
  readonly key?: string | undefined;
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

/** Rows of a table, cut by the seed: it has no test part. */
const cutTable = (source: string, all: Dataset, seed: Uint8Array) => {
  if (all.size < HOLD_OUT)
    throw new FloeError('data_unfit', `${source}: expected at least ${HOLD_OUT} rows`);
  const order = shuffle(rowsOf(all), seededRandom(deriveSeed(seed, 'hold-out')));
  const held = Math.floor(all.size / HOLD_OUT);
  const kept = order.slice(held);
  return {
    rows: kept,
    train: shareRows(all, kept),
    test: shareRows(all, order.slice(0, held)),
  };
};

/** A simulation shows what becomes of such data. */
const WARN_ONLY = { acceptDrift: 'all' } as const;

const ofTable = (
  source: string,
  whole: Table,
  test: Table | undefined,
  seed: Uint8Array,
  { contract: given, task, mapping, key }: LoadScenarioOptions,
): ScenarioData => {
  const { table, keys } = takeKeys(whole, key, given);
  const inferred: InferredContract =
    given === undefined ? inferContract(table, { task }) : { contract: given, notes: [] };
  const { contract } = inferred;
  const { data, report } = applyContract(table, contract, mapping, WARN_ONLY);
  const notes = [...(table.notes ?? []), ...inferred.notes, ...report.warnings];
  if (test === undefined) {
    const { rows, ...cut } = cutTable(source, data, seed);
    return { source, contract, notes, ...cut, ...chosenKeys(keys, rows) };
  }
  const tested = applyContract(test, contract, mapping, WARN_ONLY).data;
  const parts = { train: shareRows(data), test: shareRows(tested) };
  return { source, contract, notes, ...parts, ...chosenKeys(keys) };
};

/** Class names of their own, such as names of folders, need a contract; numbers do not. */
const contractOf = (data: Dataset, { contract, task }: LoadScenarioOptions): Contract | undefined =>
  contract ??
  (data.classNames === undefined ? undefined : inferContractOfDataset(data, { task }).contract);

/**
 * Loads what `loadData` reads. Of a source without a test part, such as a table, a sixth of its
 * rows, chosen by the seed, is held out.
 *
 * @throws FloeError `file_not_found`, `data_malformed`, `data_unfit`, `data_unmapped`
 */
export const loadScenarioData = async (
  source: string,
  seed: Uint8Array,
  options: LoadScenarioOptions = {},
): Promise<ScenarioData> => {
  const { bytes = false, read, mapping } = options;
  if (mapping !== undefined && options.contract === undefined)
    throw new FloeError('usage', '--map: expected --contract as well, whose names it maps to');
  const reading = { ...read, shared: true, bytes };
  const loaded = await loadData(source, { ...reading, part: 'train' });
  if (loaded.type === 'table') {
    const test =
      loaded.hasTest === true ? await loadData(source, { ...reading, part: 'test' }) : undefined;
    const tested = test?.type === 'table' ? test.table : undefined;
    return ofTable(source, loaded.table, tested, seed, options);
  }
  if (options.key !== undefined)
    throw new FloeError('usage', `--partition: key:${options.key} needs a table, got ${source}`);
  const all = loaded.data;
  const contract = contractOf(all, options);
  if (loaded.hasTest !== true) {
    const made =
      contract === undefined ? undefined : applyContract(all, contract, mapping, WARN_ONLY);
    const { train, test } = cutTable(source, made?.data ?? all, seed);
    return {
      source,
      ...(contract === undefined ? {} : { contract }),
      notes: [...(loaded.notes ?? []), ...(made?.report.warnings ?? [])],
      train,
      test,
    };
  }
  const train = all;
  const test = await loadDataset(source, { ...reading, part: 'test' });
  if (contract === undefined) return { source, train: shareRows(train), test: shareRows(test) };
  const made = applyContract(train, contract, mapping, WARN_ONLY);
  return {
    source,
    contract,
    notes: [...(loaded.notes ?? []), ...made.report.warnings],
    train: shareRows(made.data),
    test: shareRows(applyContract(test, contract, mapping, WARN_ONLY).data),
  };
};
