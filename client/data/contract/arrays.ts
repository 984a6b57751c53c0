/**
 * @module Data sets without columns, such as images and NumPy arrays, against the contract: the
 * shape of an example, and the class names in the contract's order.
 */
import { FloeError } from '../../../protocol/errors.ts';
import {
  type Contract,
  type ContractTarget,
  inputNames,
  type Normalisation,
  shapeOfInput,
} from '../../../protocol/spec/contract.ts';
import { type Dataset, featureLength, labelLength, rowOf } from '../dataset.ts';
import { normalised } from './inputs.ts';
import { type Mapping, valuesOf } from './mapping.ts';
import { refuseOtherScale, scaleReport } from './other-scale.ts';
import type { AcceptedDrift } from './other-unit.ts';
import { type AppliedData, type ContractReport, warningsOf } from './report.ts';
import { andOthers, entriesAmong, mappingOf } from './snippet.ts';

const unfit = (message: string): FloeError => new FloeError('data_unfit', message);

/** Examples that a contract was applied to already have its names, in its order. */
const hasNames = (data: Dataset, contract: Contract): boolean => {
  const names = inputNames(contract.input);
  return (
    data.featureNames?.length === names?.length &&
    names?.every((name, i) => name === data.featureNames?.[i]) === true
  );
};

const checkShape = (data: Dataset, contract: Contract): void => {
  const { input } = contract;
  const shape = shapeOfInput(input);
  if (input.type === 'table' && !hasNames(data, contract))
    throw unfit(
      `the contract names ${input.features.length} columns, and the data has none: give a table`,
    );
  if (data.featureShape.join() !== shape.join())
    throw unfit(
      `the contract takes examples of shape [${shape.join(', ')}], the data has [${data.featureShape.join(', ')}]`,
    );
  if (data.size === 0) throw unfit('the data holds no example');
};

/** Names of the classes of a data set: its own, or the numbers. */
export const namesOfClasses = ({ classNames, classes = 0 }: Dataset): readonly string[] =>
  classNames ?? Array.from({ length: classes }, (_, i) => String(i));

type Classes = Extract<ContractTarget, { type: 'classes' }>;

/** @throws FloeError `data_unmapped` for a class that occurs and that the contract does not have */
const classOrder = (data: Dataset, target: Classes, mapping: Mapping): Int32Array => {
  const own = namesOfClasses(data);
  const map = valuesOf(mapping, target.name, target.name, target.classes);
  const order = Int32Array.from(own, (name) => target.classes.indexOf(map.get(name) ?? name));
  const refused = new Set<string>();
  for (let i = 0; i < data.size; i += 1) {
    const label = data.labels[rowOf(data, i)] ?? -1;
    if ((order[label] ?? -1) < 0) refused.add(own[label] ?? String(label));
  }
  const [first] = refused;
  if (first === undefined) return order;
  throw new FloeError(
    'data_unmapped',
    `class ${JSON.stringify(first)}${andOthers(refused.size - 1, 'class', 'classes')} is not among the classes of the contract; write in the mapping file: ` +
      mappingOf([[target.name, entriesAmong([...refused], target.classes)]]),
    { column: target.name, value: first },
  );
};

const relabelled = (data: Dataset, target: Classes, mapping: Mapping): Dataset => {
  const order = classOrder(data, target, mapping);
  const isSame = order.every((index, label) => index === label);
  const { classes } = target;
  const parts = { classes: classes.length, classNames: classes };
  if (isSame) return { ...data, ...parts };
  const memory =
    data.labels.buffer instanceof SharedArrayBuffer
      ? new SharedArrayBuffer(data.labels.length * 4)
      : new ArrayBuffer(data.labels.length * 4);
  const labels = new Int32Array(memory);
  for (const [i, label] of data.labels.entries()) labels[i] = order[label] ?? -1;
  return { ...data, ...parts, labels };
};

/** The numbers of the view's rows, normalised; labels in the same order. */
const normalisedRows = (data: Dataset, by: Normalisation): Dataset => {
  const width = featureLength(data);
  const perLabel = labelLength(data);
  const scale = data.features instanceof Uint8Array ? 255 : 1;
  const features = new Float32Array(data.size * width);
  const labels = new (data.labels instanceof Int32Array ? Int32Array : Float32Array)(
    data.size * perLabel,
  );
  for (let i = 0; i < data.size; i += 1) {
    const row = rowOf(data, i);
    for (let j = 0; j < width; j += 1)
      features[i * width + j] = normalised((data.features[row * width + j] ?? 0) / scale, by);
    for (let j = 0; j < perLabel; j += 1)
      labels[i * perLabel + j] = data.labels[row * perLabel + j] ?? 0;
  }
  const { indices: _, ...rest } = data;
  return { ...rest, features, labels };
};

const checkLabels = (data: Dataset, target: ContractTarget): void => {
  const isClasses = data.labels instanceof Int32Array;
  const width = labelLength(data);
  if (target.type === 'classes') {
    if (!isClasses || width !== 1) throw unfit('the contract has one class an example');
    return;
  }
  const expected = target.type === 'labels' ? target.names.length : target.columns.length;
  if (isClasses || width !== expected)
    throw unfit(
      `the contract has ${expected} ${target.type} an example (float targets), the data has ${width}${isClasses ? ' classes' : ''}`,
    );
};

const normalisedTargets = (data: Dataset, target: ContractTarget): Dataset => {
  if (target.type !== 'values' || target.columns.every((of) => of.normalise === undefined))
    return data;
  const { columns } = target;
  const labels = Float32Array.from(data.labels, (value, i) =>
    normalised(value, columns[i % columns.length]?.normalise),
  );
  return { ...data, labels };
};

const scaledInputs = (data: Dataset, { input }: Contract): Dataset =>
  input.type === 'array' && input.normalise !== undefined
    ? normalisedRows(data, input.normalise)
    : data;

/**
 * The inputs of the model from images or arrays, whose labels are not read: what `predict` takes.
 *
 * @throws FloeError `data_unfit` for another shape
 */
export const applyDatasetInputs = (
  data: Dataset,
  contract: Contract,
  warn?: (message: string) => void,
): Dataset => {
  checkShape(data, contract);
  const { other, warnings } = scaleReport(data, contract.input);
  for (const line of other === undefined ? warnings : [other]) warn?.(line);
  return scaledInputs(data, contract);
};

/**
 * @param acceptDrift with `pixels` or `values`: numbers in another unit are taken
 * @throws FloeError `data_unfit`, `data_unmapped`, `mapping_invalid`
 */
export const applyToDataset = (
  given: Dataset,
  contract: Contract,
  mapping: Mapping,
  acceptDrift: AcceptedDrift = [],
): AppliedData => {
  const { input, target } = contract;
  checkShape(given, contract);
  const scale = scaleReport(given, input);
  refuseOtherScale(scale, acceptDrift);
  checkLabels(given, target);
  if ('columns' in mapping && Object.keys(mapping.columns ?? {}).length > 0)
    throw new FloeError('mapping_invalid', 'columns: the data has no columns to map');
  // Examples with the names of a table's contract were made by it: their numbers are final.
  const isMade = input.type === 'table';
  const classed = target.type === 'classes' ? relabelled(given, target, mapping) : given;
  const scaled = scaledInputs(classed, contract);
  const data = isMade ? scaled : normalisedTargets(scaled, target);
  const counts = target.type === 'classes' ? target.classes.map(() => 0) : undefined;
  if (counts !== undefined)
    for (let i = 0; i < data.size; i += 1) {
      const label = data.labels[rowOf(data, i)] ?? 0;
      counts[label] = (counts[label] ?? 0) + 1;
    }
  const histogram =
    target.type === 'classes'
      ? target.classes.map((name, i) => ({ name, examples: counts?.[i] ?? 0 }))
      : undefined;
  const { values = {} } = mapping;
  const column = target.type === 'classes' ? target.name : '';
  const report: ContractReport = {
    examples: data.size,
    columns: [],
    unused: [],
    values: Object.entries(values[column] ?? {}).map(([from, to]) => ({ column, from, to })),
    ...(histogram === undefined ? {} : { histogram }),
    warnings: [
      ...(scale.other === undefined ? scale.warnings : [scale.other]),
      ...warningsOf([], data.size, histogram),
    ],
  };
  return { data, report };
};
