/**
 * @module A file of data as the examples that a model takes: by the run's data contract, with its
 * normalisation, or, for a run without one, a table of numbers. To predict, the target may be
 * missing. Node only.
 */
import { FloeError } from '../../protocol/errors.ts';
import { targetColumns, type Contract } from '../../protocol/spec/contract.ts';
import { applyContract, applyInputs, isTable } from '../data/contract/apply.ts';
import { isOtherUnit, otherUnitText } from '../data/contract/other-unit.ts';
import type { ColumnReport } from '../data/contract/report.ts';
import { applyDatasetInputs } from '../data/contract/arrays.ts';
import type { Mapping } from '../data/contract/mapping.ts';
import { createDataset, type Dataset } from '../data/dataset.ts';
import { loadToUse, type LoadOptions } from '../data/load-node.ts';
import { datasetOfTable } from '../data/table-dataset.ts';
import type { Table } from '../data/table.ts';

/** What a caller may give: a path, a table, or examples as the model takes them. */
export type GivenData = string | Table | Dataset;

const openGiven = async (
  given: GivenData,
  read: LoadOptions | undefined,
): Promise<Table | Dataset> => {
  if (typeof given !== 'string') return given;
  const loaded = await loadToUse(given, read);
  return loaded.type === 'table' ? loaded.table : loaded.data;
};

/** How the data are mapped, and who hears of columns in another unit. */
interface ExampleOptions {
  readonly mapping?: Mapping | undefined;
  readonly warn?: ((message: string) => void) | undefined;
}

const warnOfUnits = (columns: readonly ColumnReport[], warn: ExampleOptions['warn']): void => {
  for (const column of columns.filter(isOtherUnit)) warn?.(otherUnitText(column));
};

/** A model's worth on data in another unit is bad, and harms nobody: a warning is enough. */
const applied = (
  data: Table | Dataset,
  contract: Contract,
  mapping: Mapping | undefined,
  warn: ExampleOptions['warn'],
): Dataset => {
  const made = applyContract(data, contract, mapping, { acceptDrift: 'all' });
  if (isTable(data)) warnOfUnits(made.report.columns, warn);
  else for (const line of made.report.warnings) warn?.(line);
  return made.data;
};

/**
 * Examples with their labels.
 *
 * @param values whether labels without a contract are numbers to predict
 * @param read how a file is read
 * @throws FloeError `data_unmapped`, `data_unfit`, `data_malformed`, `mapping_invalid`
 */
export const labelledExamples = async (
  given: GivenData,
  contract: Contract | undefined,
  { mapping, warn }: ExampleOptions,
  values: boolean,
  read?: LoadOptions,
): Promise<Dataset> => {
  const data = await openGiven(given, read);
  if (contract !== undefined) return applied(data, contract, mapping, warn);
  requireNoMapping(mapping);
  return isTable(data) ? datasetOfTable(data, { task: values ? 'values' : 'classes' }) : data;
};

const requireNoMapping = (mapping: Mapping | undefined): void => {
  if (mapping === undefined) return;
  throw new FloeError('usage', '--map: the run has no data contract that columns are mapped to');
};

/** A mapping of training, without the entries for a target that this file does not have. */
const withoutTarget = (table: Table, contract: Contract, mapping: Mapping): Mapping => {
  const own = new Set(table.columns.map(({ name }) => name));
  const targets = new Set(targetColumns(contract.target));
  const isKept = ([mine, name]: [string, string]): boolean => own.has(mine) || !targets.has(name);
  const { columns = {}, values = {} } = mapping;
  const dropped = new Set(Object.entries(columns).flatMap((entry) => (isKept(entry) ? [] : entry)));
  return {
    columns: Object.fromEntries(Object.entries(columns).filter(isKept)),
    values: Object.fromEntries(
      Object.entries(values).filter(
        ([name]) => !dropped.has(name) && (own.has(name) || !targets.has(name)),
      ),
    ),
  };
};

/** Every column of numbers is an input; a column more than there are inputs is the label. */
const plainInputs = (table: Table, inputs: number): Dataset => {
  const columns = table.columns.length === inputs + 1 ? table.columns.slice(0, -1) : table.columns;
  if (columns.length !== inputs)
    throw new FloeError(
      'data_unfit',
      `the model takes ${inputs} numbers, ${table.source ?? 'the data'} has ${table.columns.length} columns`,
    );
  // A label that nobody reads: the last place of a table without a contract.
  const unread = {
    type: 'number' as const,
    name: '\u{0}label',
    values: new Float64Array(table.rows),
  };
  return datasetOfTable({ ...table, columns: [...columns, unread] });
};

/**
 * Examples without labels. @param inputShape of the model @throws FloeError as labelledExamples
 */
export const bareExamples = async (
  given: GivenData,
  contract: Contract | undefined,
  { mapping, warn }: ExampleOptions,
  inputShape: readonly (number | null)[],
  read?: LoadOptions,
): Promise<Dataset> => {
  const data = await openGiven(given, { ...read, unlabelled: true });
  // Labels of images and arrays are not read here.
  if (!isTable(data))
    return contract === undefined ? data : applyDatasetInputs(data, contract, warn);
  if (contract === undefined) {
    requireNoMapping(mapping);
    return plainInputs(data, inputShape.length === 1 ? (inputShape[0] ?? 0) : -1);
  }
  const { features, rows, featureShape, columns } = applyInputs(
    data,
    contract,
    withoutTarget(data, contract, mapping ?? {}),
  );
  warnOfUnits(columns, warn);
  return createDataset({ features, labels: new Int32Array(rows), featureShape });
};
