/**
 * @module A participant's examples for a run, once its specification is known: mapped by the data
 * contract of the run; without one, numbers as they stand in the file.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Line } from '../../protocol/line.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { applyContract, isTable, type ApplyOptions } from './contract/apply.ts';
import type { Mapping } from './contract/mapping.ts';
import { describeReport, type ContractReport } from './contract/report.ts';
import type { Dataset } from './dataset.ts';
import { shardOf, type Shard } from './shard.ts';
import { datasetOfTable } from './table-dataset.ts';
import type { Table } from './table.ts';

/** What `loadData` gives, or its parts. */
export type OwnData =
  | Table
  | Dataset
  | { readonly type: 'table'; readonly table: Table }
  | { readonly type: 'dataset'; readonly data: Dataset; readonly notes?: readonly string[] };

export interface RunData {
  readonly data: Dataset;
  /** Of a run with a data contract. */
  readonly report?: ContractReport;
  /** The preflight report for people. */
  readonly lines: readonly Line[];
  /** Also among the lines. */
  readonly warnings: readonly string[];
}

/** The table or the examples themselves. */
export const unwrapped = (given: OwnData): Table | Dataset => {
  if (!('type' in given)) return given;
  return given.type === 'table' ? given.table : given.data;
};

/** What the reader noted, for people. */
export const notesOf = (given: OwnData): readonly string[] => {
  if ('type' in given && given.type === 'dataset') return given.notes ?? [];
  const own = unwrapped(given);
  return isTable(own) ? (own.notes ?? []) : [];
};

const missing = (message: string, details = {}): FloeError =>
  new FloeError('contract_missing', message, details);

/** Names of folders would be numbered by each site alone. */
const checkNames = ({ classNames }: Dataset): void => {
  const named = classNames?.find((name, i) => name !== String(i));
  if (named !== undefined)
    throw missing(
      `the run has no data contract, which would say the number of class ${JSON.stringify(named)}`,
      { value: named },
    );
};

const withoutContract = (own: Table | Dataset, task: string | undefined): Dataset => {
  if (!isTable(own)) {
    checkNames(own);
    return own;
  }
  if (task === 'multi-label' || task === 'sequence')
    throw missing(`the run has no data contract, and a table has no examples of ${task} without`);
  return datasetOfTable(own, { task: task === 'regression' ? 'values' : 'classes' });
};

const PLAIN =
  'the run has no data contract: columns are taken in the order of the file, numbers as they are, ' +
  'and nothing is compared with other sites';

/**
 * Examples for the run.
 *
 * @param shard the part to train on, of data that several participants split
 * @throws FloeError of `applyContract`; `contract_missing` for labels that only a contract can
 * number; `mapping_invalid` for a mapping without a contract; `data_malformed`
 */
export const dataOfRun = (
  given: OwnData,
  spec: RunSpec,
  mapping?: Mapping,
  shard?: Shard,
  options?: ApplyOptions,
): RunData => {
  const own = unwrapped(given);
  const cut = (all: Dataset): Dataset => (shard === undefined ? all : shardOf(all, shard));
  const { data: contract, training, encoding } = spec;
  if (contract !== undefined) {
    const { data: all, report } = applyContract(own, contract, mapping, options);
    const data = cut(all);
    const lines = describeReport(report, contract, {
      weightCap: encoding.weightCap,
      trained: data.size,
    });
    return { data, report, lines, warnings: report.warnings };
  }
  if (mapping !== undefined)
    throw new FloeError('mapping_invalid', 'the run has no data contract to map to');
  const data = cut(withoutContract(own, training.task?.type));
  if (!isTable(own)) return { data, lines: [], warnings: [] };
  return { data, lines: [['warn', PLAIN]], warnings: [PLAIN] };
};
