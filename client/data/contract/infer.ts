/**
 * @module Drafts a data contract from the table of one site, or of all: the target, the type of
 * each column, and the normalisation. Everything that it decides is in the notes.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { type Contract, type ContractTarget } from '../../../protocol/spec/contract.ts';
import { parseContract } from '../../../protocol/spec/parse-contract.ts';
import { nearest } from '../../../protocol/spec/nearest-name.ts';
import type { TaskType } from '../../task.ts';
import type { Dataset } from '../dataset.ts';
import type { Column, Table } from '../table.ts';
import { namesOfClasses } from './arrays.ts';
import {
  distinctOf,
  inferFeature,
  type InferOptions,
  normalisationOf,
  rangeOf,
} from './infer-column.ts';
import { factsOf } from './numbers.ts';

export interface InferredContract {
  readonly contract: Contract;
  /** What was decided, for people. */
  readonly notes: readonly string[];
}

/** Whole numbers with at most this many distinct values are classes. */
const MOST_CLASSES = 20;

const unfit = (message: string, column: string): FloeError =>
  new FloeError('data_unfit', message, { column });

const columnNamed = (table: Table, name: string): Column => {
  const found = table.columns.find((column) => column.name === name);
  if (found !== undefined) return found;
  const names = table.columns.map((column) => column.name);
  throw new FloeError(
    'data_malformed',
    `no column ${JSON.stringify(name)}; the nearest is ${JSON.stringify(nearest(name, names.slice(0, 1000)))}`,
    { column: name },
  );
};

const byNumber = (a: string, b: string): number => Number(a) - Number(b);
const byText = (a: string, b: string): number => (a < b ? -1 : 1);

const isWhole = (column: Column): boolean =>
  column.type === 'number' &&
  column.values.every((value) => Number.isNaN(value) || Number.isInteger(value));

type Kind = 'classes' | 'labels' | 'values';

const KIND: Readonly<Record<Exclude<TaskType, 'sequence'>, Kind>> = {
  'multi-class': 'classes',
  binary: 'classes',
  'multi-label': 'labels',
  regression: 'values',
};

/** @param rows of the table */
const kindOf = (columns: readonly Column[], task: TaskType | undefined, rows: number): Kind => {
  if (task === 'sequence')
    throw new FloeError('usage', 'a data contract has no task sequence: prepare tokens yourself');
  if (task !== undefined) return KIND[task];
  const [first, ...others] = columns;
  if (first === undefined) return 'classes';
  if (others.length > 0) {
    const isBits = columns.every((column) =>
      distinctOf(column).every((text) => text === '0' || text === '1'),
    );
    return isBits ? 'labels' : 'values';
  }
  if (first.type === 'text') return 'classes';
  const distinct = distinctOf(first).length;
  return isWhole(first) && distinct <= MOST_CLASSES && distinct * 2 <= rows ? 'classes' : 'values';
};

const classesOf = (column: Column, rows: number): readonly string[] => {
  const names = distinctOf(column).toSorted(column.type === 'number' ? byNumber : byText);
  const { name } = column;
  if (names.length < 2)
    throw unfit(`target ${name}: expected two classes at least, got ${names.join(', ')}`, name);
  if (names.length * 2 > rows && names.length > 2)
    throw unfit(
      `target ${name}: ${names.length} different values in ${rows} rows are no classes; name the target (--target), or the task regression for numbers`,
      name,
    );
  return names;
};

const valueColumn = (column: Column, { normalise = true, ranges = true }: InferOptions) => {
  if (column.type === 'text')
    throw unfit(
      `target ${column.name}: regression takes numbers, got texts such as ${JSON.stringify(column.texts[0])}`,
      column.name,
    );
  const facts = factsOf(column.values);
  if (facts.missing === column.values.length)
    throw unfit(`target ${column.name}: every value is missing`, column.name);
  return {
    name: column.name,
    ...(normalise ? { normalise: normalisationOf(facts) } : {}),
    ...(ranges ? { range: rangeOf(facts) } : {}),
  };
};

const targetOf = (
  columns: readonly Column[],
  kind: Kind,
  rows: number,
  options: InferOptions,
): ContractTarget => {
  const [first] = columns;
  const names = columns.map(({ name }) => name);
  if (kind === 'values')
    return { type: 'values', columns: columns.map((column) => valueColumn(column, options)) };
  if (kind === 'labels') {
    for (const column of columns) {
      const odd = distinctOf(column).find((text) => text !== '0' && text !== '1');
      if (odd !== undefined)
        throw unfit(`target ${column.name}: expected labels 0 and 1, got ${odd}`, column.name);
    }
    return { type: 'labels', names };
  }
  if (first === undefined || columns.length > 1)
    throw new FloeError('usage', `expected one target of classes, got ${names.join(', ')}`);
  return { type: 'classes', name: first.name, classes: [...classesOf(first, rows)] };
};

const targetNote = (target: ContractTarget): string => {
  switch (target.type) {
    case 'classes':
      return `target ${target.name}: ${target.classes.length} classes`;
    case 'labels':
      return `targets ${target.names.join(', ')}: labels of 0 and 1`;
    case 'values':
      return `target ${target.columns.map(({ name }) => name).join(', ')}: numbers to predict`;
  }
};

const missingTargets = (columns: readonly Column[]): readonly string[] =>
  columns.flatMap((column) => {
    const missing =
      column.type === 'number'
        ? factsOf(column.values).missing
        : column.codes.reduce((sum, code) => sum + Number(code < 0), 0);
    return missing === 0
      ? []
      : [`target ${column.name}: ${missing} missing values; rows without a target are refused`];
  });

/** @throws FloeError `data_unfit` for a task that the target does not fit */
const checkTask = ({ target }: Contract, task: TaskType | undefined): void => {
  if (task !== 'binary' || target.type !== 'classes' || target.classes.length === 2) return;
  throw new FloeError(
    'data_unfit',
    `target ${target.name}: the task binary takes 2 classes, got ${target.classes.length}`,
  );
};

/**
 * Drafts the contract of a table.
 *
 * @throws FloeError `data_malformed` for an unknown column; `data_unfit` for a target that cannot
 * be one, text among numbers, and a table without usable columns
 */
export const inferContract = (table: Table, options: InferOptions = {}): InferredContract => {
  const { target: wanted = table.columns.at(-1)?.name ?? '', task, drop = [] } = options;
  if (table.rows === 0 || table.columns.length < 2)
    throw new FloeError('data_unfit', 'expected at least one row, a column and a target');
  const names = typeof wanted === 'string' ? [wanted] : [...wanted];
  const columns = names.map((name) => columnNamed(table, name));
  const kind = kindOf(columns, task, table.rows);
  const target = targetOf(columns, kind, table.rows, options);
  for (const name of drop) columnNamed(table, name);
  const out = new Set([...names, ...drop]);
  const notes = [targetNote(target), ...missingTargets(columns)];
  const features = table.columns.flatMap((column) => {
    if (out.has(column.name)) return [];
    const { feature, note } = inferFeature(column, options);
    if (note !== undefined) notes.push(`column ${column.name}: ${note}`);
    return feature === undefined ? [] : [feature];
  });
  if (features.length === 0)
    throw new FloeError('data_unfit', `no column is left for features: ${notes.join('; ')}`);
  const facts = [
    ...(options.normalise === false ? [] : ['means', 'spreads']),
    ...(options.ranges === false ? [] : ['ranges']),
  ];
  if (facts.length > 0)
    notes.push(
      `the contract holds facts of this table's columns (${facts.join(', ')}), and all participants see it`,
    );
  const contract = parseContract({ version: 1, input: { type: 'table', features }, target });
  checkTask(contract, task);
  return { contract, notes };
};

/**
 * Drafts the contract of a data set without columns: images (height, width, channels) or arrays,
 * their class names in the order of the data set.
 *
 * @throws FloeError `data_unfit` for labels that no contract can name
 */
export const inferContractOfDataset = (
  data: Dataset,
  { target = 'class', task }: InferOptions = {},
): InferredContract => {
  const shape = [...data.featureShape];
  const [, , channels = 0] = shape;
  const isImage = shape.length === 3 && channels <= 4;
  const names = typeof target === 'string' ? [target] : [...target];
  const width =
    data.labels.length / Math.max(1, data.features.length / shape.reduce((a, b) => a * b, 1));
  if (width !== 1 && width !== names.length)
    throw new FloeError(
      'data_unfit',
      `expected ${width} names of targets, got ${names.join(', ')}`,
    );
  const contract = parseContract({
    version: 1,
    input: isImage ? { type: 'image', shape } : { type: 'array', shape },
    target:
      data.labels instanceof Int32Array
        ? { type: 'classes', name: names[0], classes: namesOfClasses(data) }
        : task === 'multi-label'
          ? { type: 'labels', names }
          : { type: 'values', columns: names.map((name) => ({ name })) },
  });
  checkTask(contract, task);
  return { contract, notes: [targetNote(contract.target)] };
};
