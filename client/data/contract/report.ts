/**
 * @module The preflight report of a site's data against the contract: what is mapped to what,
 * ranges, missing values, classes, and what its owner should look at before training.
 */
import { info, type Line, warning } from '../../../protocol/line.ts';
import { plural } from '../../../protocol/plural.ts';
import { printable } from '../../../protocol/printable.ts';
import { describeContract, someOf } from '../../../protocol/spec/describe-contract.ts';
import type { Dataset } from '../dataset.ts';
import type { Contract } from '../../../protocol/spec/contract.ts';
import { isOtherUnit, otherUnitText } from './other-unit.ts';

export interface ColumnReport {
  /** The contract's name. */
  readonly name: string;
  /** The site's name. */
  readonly from: string;
  readonly type: 'number' | 'category' | 'target';
  readonly missing: number;
  /** Numbers that are there. */
  readonly present?: number;
  /** Of numbers that are there, in the units of the file. */
  readonly least?: number;
  readonly largest?: number;
  readonly mean?: number;
  readonly deviation?: number;
  /** The contract's range, and the values that are outside of it. */
  readonly range?: readonly [least: number, largest: number];
  readonly outside?: number;
  /**
   * Mean and scale of the contract: of its normalisation, else the middle and half of its range.
   */
  readonly expected?: { readonly mean: number; readonly scale: number };
  /** Distance of the site's mean from the contract's, in the contract's scale. */
  readonly drift?: number;
  /** The site's deviation over the contract's scale. */
  readonly spread?: number;
}

/** A value that the mapping file names. */
export interface MappedValue {
  readonly column: string;
  readonly from: string;
  /** null: missing. */
  readonly to: string | null;
}

export interface ContractReport {
  readonly source?: string;
  readonly examples: number;
  readonly columns: readonly ColumnReport[];
  /** The site's columns that the contract does not have. */
  readonly unused: readonly string[];
  readonly values: readonly MappedValue[];
  /** Examples of each class in the contract's order; of labels those that have it. */
  readonly histogram?: readonly { readonly name: string; readonly examples: number }[];
  readonly warnings: readonly string[];
}

/** The examples as the contract describes them, and what became of the site's own. */
export interface AppliedData {
  readonly data: Dataset;
  readonly report: ContractReport;
}

/** A mean that is this many scales away is another population; beyond the second, worth a look. */
const DRIFT = 1;
const FAR = 5;
const SPREAD = 4;

const short = (value: number): string => String(Number(value.toPrecision(5)));

const columnWarnings = (of: ColumnReport, examples: number): readonly string[] => {
  const { name, from, missing, outside = 0, drift = 0, spread = 1, range } = of;
  const label = from === name ? `column ${name}` : `column ${from} (${name})`;
  const lines: string[] = [];
  if (outside > 0 && range !== undefined)
    lines.push(
      `${label}: ${outside} of ${plural(examples, 'value')} outside of the contract's range ` +
        `${short(range[0])} to ${short(range[1])} (${short(of.least ?? 0)} to ${short(of.largest ?? 0)})`,
    );
  if (drift > FAR)
    lines.push(
      `${label}: the mean ${short(of.mean ?? 0)} is ${short(drift)} deviations away from the contract's: is it in another unit?`,
    );
  else if (drift > DRIFT || spread > SPREAD || (spread < 1 / SPREAD && examples > 1))
    lines.push(
      `${label}: drift: the mean is ${short(drift)} deviations away from the contract's, the spread ${short(spread)} times it`,
    );
  if (missing * 2 > examples)
    lines.push(`${label}: ${missing} of ${plural(examples, 'value')} are missing`);
  return lines;
};

/** Warnings about columns are counted after this many; of other units, which come first, apart. */
const MOST_WARNINGS = 5;
const MOST_UNITS = 12;

const first = (lines: readonly string[], most: number, of: string): readonly string[] =>
  lines.length <= most
    ? lines
    : [...lines.slice(0, most), `and ${plural(lines.length - most, 'more warning')} ${of}`];

export const warningsOf = (
  columns: readonly ColumnReport[],
  examples: number,
  histogram: ContractReport['histogram'],
): readonly string[] => {
  const units = columns.filter(isOtherUnit);
  const others = columns.filter((column) => !isOtherUnit(column));
  const ofColumns = others.flatMap((column) => columnWarnings(column, examples));
  const absent = (histogram ?? []).filter((each) => each.examples === 0).map(({ name }) => name);
  return [
    ...first(units.map(otherUnitText), MOST_UNITS, 'of columns in another unit'),
    ...(absent.length === 0 ? [] : [`no example of class ${someOf(absent)}`]),
    ...first(ofColumns, MOST_WARNINGS, 'about columns'),
  ];
};

const columnTable = (columns: readonly ColumnReport[]): readonly string[] => {
  const rows = columns.map(({ name, from, type, missing, least, largest, range, drift }) => [
    name,
    from,
    type,
    least === undefined || Number.isNaN(least)
      ? ''
      : `${short(least)} to ${short(largest ?? least)}`,
    range === undefined ? '' : `${short(range[0])} to ${short(range[1])}`,
    missing === 0 ? '' : String(missing),
    drift === undefined ? '' : drift.toFixed(2),
  ]);
  const table = [
    ['contract', 'own column', 'type', 'range', "contract's range", 'missing', 'drift'],
    ...rows,
  ];
  const widths = table[0]?.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  return table.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths?.[i] ?? 0)).join('  ')}`.trimEnd(),
  );
};

export interface DescribeReportOptions {
  /** Most examples that a site counts for, where that is known. */
  readonly weightCap?: number | undefined;
  /** Examples that the site trains on, where that is a shard of its data. */
  readonly trained?: number | undefined;
  /** A table of the columns, of at most 200. */
  readonly whole?: boolean;
}

const MOST_ROWS = 200;
/** Names of columns that a line holds: a site looks for those that it did not mean to give. */
const MOST_NAMES = 100;

/** The lines of a report, its warnings last. Names of the contract come from the coordinator. */
export const describeReport = (
  report: ContractReport,
  contract: Contract,
  { weightCap, trained, whole = false }: DescribeReportOptions = {},
): readonly Line[] => {
  const { source, examples, columns, unused, values, histogram, warnings } = report;
  const own = trained ?? examples;
  const renamed = columns.filter(({ name, from }) => name !== from);
  const missing = columns.reduce((sum, each) => sum + each.missing, 0);
  const lines = [
    ...describeContract(contract),
    `data       ${source ?? 'own data'}: ${plural(examples, 'example')}` +
      (columns.length === 0 ? '' : `, ${plural(columns.length, 'column')} mapped`),
    ...(columns.length === 0 || whole
      ? []
      : [
          `used       ${someOf(
            columns.map(({ from }) => from),
            MOST_NAMES,
          )}`,
        ]),
    ...(renamed.length === 0
      ? []
      : [`mapped     ${someOf(renamed.map(({ name, from }) => `${from} is ${name}`))}`]),
    ...(values.length === 0
      ? []
      : [
          `values     ${someOf(values.map(({ column, from, to }) => `${column}: ${from} is ${to ?? 'missing'}`))}`,
        ]),
    ...(unused.length === 0 ? [] : [`not used   ${someOf(unused)}`]),
    ...(missing === 0 ? [] : [`missing    ${plural(missing, 'value')}, as the contract says`]),
    ...(histogram === undefined
      ? []
      : [`examples   ${someOf(histogram.map((each) => `${each.name} ${each.examples}`))}`]),
    ...(weightCap === undefined
      ? []
      : [
          `counts for ${Math.min(own, weightCap)} of its ${plural(own, 'example')} (weight cap ${weightCap})`,
        ]),
    ...(whole ? columnTable(columns.slice(0, MOST_ROWS)) : []),
  ];
  return [
    ...lines.map((line) => info(printable(line))),
    ...warnings.map((line) => warning(printable(line))),
  ];
};
