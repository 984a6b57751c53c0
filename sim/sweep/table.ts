/**
 * @module The table of a sweep. A row of a point has what its settings determine; its costs (bytes,
 * times, memory), which differ from one run of it to the next, are in a table of their own. The
 * rows over seeds have mean and sample standard deviation.
 */
import { csvOf, type Cell } from '../outputs/csv.ts';
import type { RoundSummary, Summary } from '../summary.ts';
import type { Point } from './grid.ts';

export interface PointError {
  readonly code: string;
  readonly message: string;
}

export type PointResult = { readonly point: Point } & (
  | { readonly type: 'finished'; readonly summary: Summary; readonly folder: string }
  | { readonly type: 'failed'; readonly error: PointError }
);

/** What a run reached; the same for the same settings. */
export interface Reached {
  readonly status: Summary['status'];
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  readonly baselineAccuracy: number | undefined;
  readonly rounds: number;
  /** The first round whose model reached the accuracy asked for. */
  readonly roundsToTarget: number | undefined;
  /** The end of that round in virtual time; undefined in real time. */
  readonly virtualToTarget: number | undefined;
  readonly modelHash: string;
}

/** The first round with at least this test accuracy. */
export const roundsTo = (
  { history }: Pick<Summary, 'history'>,
  target: number | undefined,
): number | undefined =>
  target === undefined
    ? undefined
    : history.find(({ testAccuracy }) => (testAccuracy ?? -1) >= target)?.version;

const virtualTo = (
  { history }: Pick<Summary, 'history'>,
  target: number | undefined,
): number | undefined => {
  const rounds: readonly (RoundSummary & { readonly virtualTime?: number | undefined })[] = history;
  const round = roundsTo({ history }, target);
  return rounds.find(({ version }) => version === round)?.virtualTime;
};

const reachedBy = (summary: Summary, target: number | undefined): Reached => ({
  status: summary.status,
  testAccuracy: summary.testAccuracy,
  testLoss: summary.testLoss,
  baselineAccuracy: summary.baselineAccuracy,
  rounds: summary.rounds,
  roundsToTarget: roundsTo(summary, target ?? summary.targetAccuracy),
  virtualToTarget: virtualTo(summary, target ?? summary.targetAccuracy),
  modelHash: summary.modelHash,
});

export interface Row {
  readonly values: Readonly<Record<string, string>>;
  readonly reached: Reached | undefined;
  readonly error: PointError | undefined;
}

export interface CostRow {
  readonly values: Readonly<Record<string, string>>;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakMemory: number;
}

/** Mean, sample standard deviation (n - 1; undefined for one value) and number of values. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number | undefined;
  readonly count: number;
}

export const spreadOf = (values: readonly (number | undefined)[]): Spread | undefined => {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return undefined;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = known.length < 2 ? undefined : Math.sqrt(squares / (known.length - 1));
  return { mean, deviation, count: known.length };
};

/** The runs that differ in their seed alone. */
export interface Group {
  readonly values: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly failed: number;
  readonly testAccuracy: Spread | undefined;
  readonly testLoss: Spread | undefined;
  readonly rounds: Spread | undefined;
  /** Of the runs that reached it, which `count` tells. */
  readonly roundsToTarget: Spread | undefined;
}

export interface SweepTable {
  readonly axes: readonly string[];
  readonly rows: readonly Row[];
  readonly groups: readonly Group[];
  readonly costs: readonly CostRow[];
}

/** The axis that means and medians are over. */
export const SEED = 'seed';

const groupsOf = (rows: readonly Row[]): readonly Group[] => {
  const groups = new Map<string, { readonly values: Row['values']; readonly rows: Row[] }>();
  for (const row of rows) {
    const { [SEED]: _, ...values } = row.values;
    const key = JSON.stringify(values);
    const group = groups.get(key) ?? { values, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ values, rows: own }) => ({
    values,
    runs: own.length,
    failed: own.filter(({ reached }) => reached === undefined).length,
    testAccuracy: spreadOf(own.map(({ reached }) => reached?.testAccuracy)),
    testLoss: spreadOf(own.map(({ reached }) => reached?.testLoss)),
    rounds: spreadOf(own.map(({ reached }) => reached?.rounds)),
    roundsToTarget: spreadOf(own.map(({ reached }) => reached?.roundsToTarget)),
  }));
};

/** @param target test accuracy; default: that of each run, if it has one */
export const tableOf = (
  axes: readonly string[],
  results: readonly PointResult[],
  target?: number,
): SweepTable => {
  const rows = results.map((result): Row => {
    const { values } = result.point;
    return result.type === 'finished'
      ? { values, reached: reachedBy(result.summary, target), error: undefined }
      : { values, reached: undefined, error: result.error };
  });
  const costs = results.flatMap((result): CostRow[] => {
    if (result.type === 'failed') return [];
    const { bytesUp, bytesDown, seconds, processorSeconds, peakMemory } = result.summary;
    const { values } = result.point;
    return [{ values, bytesUp, bytesDown, seconds, processorSeconds, peakMemory }];
  });
  return { axes, rows, groups: groupsOf(rows), costs };
};

const REACHED = [
  'status',
  'testAccuracy',
  'testLoss',
  'baselineAccuracy',
  'rounds',
  'roundsToTarget',
  'virtualToTarget',
  'modelHash',
] as const;

export const rowsCsv = ({ axes, rows }: SweepTable): string =>
  csvOf(
    [...axes, ...REACHED, 'error'],
    rows.map(({ values, reached, error }) => [
      ...axes.map((axis) => values[axis]),
      ...REACHED.map((name): Cell => (name === 'status' && !reached ? 'failed' : reached?.[name])),
      error && `${error.code}: ${error.message}`,
    ]),
  );

const COSTS = ['bytesUp', 'bytesDown', 'seconds', 'processorSeconds', 'peakMemory'] as const;

export const costsCsv = ({ axes, costs }: SweepTable): string =>
  csvOf(
    [...axes, ...COSTS],
    costs.map((row) => [
      ...axes.map((axis) => row.values[axis]),
      ...COSTS.map((name) => row[name]),
    ]),
  );

const SPREADS = ['testAccuracy', 'testLoss', 'rounds', 'roundsToTarget'] as const;

export const groupsCsv = ({ axes, groups }: SweepTable): string => {
  const others = axes.filter((axis) => axis !== SEED);
  return csvOf(
    [...others, 'runs', 'failed', ...SPREADS.flatMap((name) => [`${name} mean`, `${name} sd`])],
    groups.map((group) => [
      ...others.map((axis) => group.values[axis]),
      group.runs,
      group.failed,
      ...SPREADS.flatMap((name): Cell[] => [group[name]?.mean, group[name]?.deviation]),
    ]),
  );
};

const spreadText = (spread: Spread | undefined, write: (value: number) => string): string => {
  if (spread === undefined) return '–';
  const { mean, deviation } = spread;
  return deviation === undefined ? write(mean) : `${write(mean)} ± ${write(deviation)}`;
};

export const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;

/** Columns of equal width. */
export const aligned = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

/** The rows over seeds, for a terminal; a failed point has a line with its error. */
export const linesOfTable = ({ axes, groups, rows }: SweepTable): readonly string[] => {
  const others = axes.filter((axis) => axis !== SEED);
  const hasTarget = groups.some(({ roundsToTarget }) => roundsToTarget !== undefined);
  const head = ['runs', 'test accuracy', 'test loss', 'rounds'];
  const body = groups.map((group) => {
    const reached = group.roundsToTarget?.count ?? 0;
    const done = group.runs - group.failed;
    return [
      ...others.map((axis) => group.values[axis] ?? ''),
      group.failed === 0 ? String(group.runs) : `${done} of ${group.runs}`,
      spreadText(group.testAccuracy, percent),
      spreadText(group.testLoss, (value) => value.toFixed(4)),
      spreadText(group.rounds, (value) => value.toFixed(1).replace(/\.0$/u, '')),
      ...(hasTarget
        ? [
            `${spreadText(group.roundsToTarget, (value) => value.toFixed(1))}${reached < done ? ` (${reached} of ${done})` : ''}`,
          ]
        : []),
    ];
  });
  const failed = rows.flatMap(({ values, error }) => {
    const where = axes.map((axis) => `${axis}=${values[axis] ?? ''}`).join(' ');
    return error === undefined ? [] : [`failed  ${where}: ${error.code}: ${error.message}`];
  });
  const titles = [...others, ...head, ...(hasTarget ? ['rounds to target'] : [])];
  return [...aligned([titles, ...body]), ...failed];
};
