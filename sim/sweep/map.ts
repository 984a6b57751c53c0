/**
 * @module A sweep over two settings as a map: a cell for each pair of their values, with the median
 * over the seeds. Unlike the mean, a median knows what to do with a run that did not reach the
 * target: it took longer than any other.
 */
import { FloeError } from '../../protocol/errors.ts';
import { medianOf } from '../../protocol/robust/distances.ts';
import { aligned, percent, SEED, type Row, type SweepTable } from './table.ts';

export interface MapCell {
  /** The median over the finished runs; undefined where it was not measured or not reached. */
  readonly value: number | undefined;
  readonly finished: number;
  readonly runs: number;
}

export interface MeasureMap {
  readonly name: 'testAccuracy' | 'testLoss' | 'roundsToTarget';
  readonly title: string;
  /** Whether more is better. */
  readonly more: boolean;
  /** By row, then by column. */
  readonly cells: readonly (readonly MapCell[])[];
}

export interface SweepMap {
  /** The first axis goes down, the second one across. */
  readonly rows: { readonly axis: string; readonly values: readonly string[] };
  readonly columns: { readonly axis: string; readonly values: readonly string[] };
  readonly measures: readonly MeasureMap[];
}

/** The two axes of a map. @throws FloeError `usage` unless there are two besides the seed */
export const axesOfMap = (axes: readonly string[]): readonly [string, string] => {
  const [rows, columns, third] = axes.filter((axis) => axis !== SEED);
  if (rows === undefined || columns === undefined || third !== undefined)
    throw new FloeError(
      'usage',
      `--map: expected two axes besides seed, got ${axes.length === 0 ? 'none' : axes.join(', ')}`,
    );
  return [rows, columns];
};

const MEASURES = [
  { name: 'testAccuracy', title: 'Test accuracy', more: true },
  { name: 'testLoss', title: 'Test loss', more: false },
  { name: 'roundsToTarget', title: 'Rounds to the target', more: false },
] as const;

/** A run that never reached the target needs more rounds than any that did. */
const valuesOf = (rows: readonly Row[], name: MeasureMap['name']): readonly number[] =>
  rows.flatMap(({ reached }) => {
    if (reached === undefined) return [];
    const value = reached[name];
    return value === undefined && name === 'roundsToTarget' ? [Infinity] : (value ?? []);
  });

const cellOf = (rows: readonly Row[], name: MeasureMap['name']): MapCell => {
  const values = valuesOf(rows, name);
  const median = values.length === 0 ? Infinity : medianOf(values);
  return {
    value: Number.isFinite(median) ? median : undefined,
    finished: rows.filter(({ reached }) => reached !== undefined).length,
    runs: rows.length,
  };
};

/** @throws FloeError `usage` as {@link axesOfMap} */
export const mapOf = ({ axes, rows }: Pick<SweepTable, 'axes' | 'rows'>): SweepMap => {
  const [down, across] = axesOfMap(axes);
  const valuesOn = (axis: string): readonly string[] => [
    ...new Set(rows.map(({ values }) => values[axis] as string)),
  ];
  const [downs, acrosses] = [valuesOn(down), valuesOn(across)];
  const cellsOf = (name: MeasureMap['name']) =>
    downs.map((one) =>
      acrosses.map((other) =>
        cellOf(
          rows.filter(({ values }) => values[down] === one && values[across] === other),
          name,
        ),
      ),
    );
  return {
    rows: { axis: down, values: downs },
    columns: { axis: across, values: acrosses },
    measures: MEASURES.filter(({ name }) =>
      rows.some(({ reached }) => reached?.[name] !== undefined),
    ).map((measure) => ({ ...measure, cells: cellsOf(measure.name) })),
  };
};

/** `96.10 %`; `–` where it was not reached; `(2 of 3)` where runs failed. */
export const cellText = ({ value, finished, runs }: MapCell, name: MeasureMap['name']): string => {
  const written = {
    testAccuracy: percent,
    testLoss: (loss: number) => loss.toFixed(4),
    roundsToTarget: (rounds: number) => rounds.toFixed(1).replace(/\.0$/u, ''),
  }[name];
  const text = value === undefined ? '–' : written(value);
  return finished < runs ? `${text} (${finished} of ${runs})` : text;
};

/** A table for each measure, for a terminal. */
export const linesOfMap = ({ rows, columns, measures }: SweepMap): readonly string[] =>
  measures.flatMap(({ name, title, cells }, i) => [
    ...(i === 0 ? [] : ['']),
    `${title}, median over seeds; ${rows.axis} down, ${columns.axis} across`,
    ...aligned([
      ['', ...columns.values],
      ...rows.values.map((value, r) => [value, ...cells[r]!.map((cell) => cellText(cell, name))]),
    ]),
  ]);

/**
 * How good each cell is among all of a measure, 0 to 1; undefined without a value. Equal cells are
 * all 1.
 */
export const shades = ({
  more,
  cells,
}: Pick<MeasureMap, 'more' | 'cells'>): readonly (readonly (number | undefined)[])[] => {
  const values = cells.flat().flatMap(({ value }) => value ?? []);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const shade = (value: number): number => {
    const along = high === low ? 1 : (value - low) / (high - low);
    return more || high === low ? along : 1 - along;
  };
  return cells.map((row) =>
    row.map(({ value }) => (value === undefined ? undefined : shade(value))),
  );
};
