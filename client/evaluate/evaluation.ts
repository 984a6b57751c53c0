/**
 * @module The evaluation of predictions against labels, by the task: its scores by name, confusion
 * with class names, and the lines that `floe evaluate` prints.
 */
import { FloeError } from '../../protocol/errors.ts';
import { info, result, type Line } from '../../protocol/line.ts';
import type { Normalisation } from '../../protocol/spec/contract.ts';
import type { Task } from '../task.ts';
import { scoreClasses, scoreLabels } from './classes.ts';
import { scoreValues } from './values.ts';

/** A number that may be undefined, such as the area under a curve of one class, is left out. */
export type ScoreList = Readonly<Record<string, number>>;

export interface NamedScores {
  readonly name: string;
  readonly scores: ScoreList;
}

export interface Evaluation {
  readonly task: Task['type'];
  /** Of `sequence`, tokens that count. */
  readonly examples: number;
  /** Of the whole; `accuracy`, `auc`, `loss`, `calibrationError`, or `r2`, `mae`, `mse`, `rmse`. */
  readonly scores: ScoreList;
  /** Of each class, label or value. */
  readonly each: readonly NamedScores[];
  /** Names of the classes, labels or values, in the order of `each`. */
  readonly names: readonly string[];
  /** `confusion[truth][prediction]` examples, of classes. */
  readonly confusion?: readonly (readonly number[])[];
}

export interface EvaluationInit {
  readonly task: Required<Task>;
  /** As `Predictor.predict` gives them. */
  readonly predictions: Float32Array;
  /** As the examples have them, in their order. */
  readonly labels: Int32Array | Float32Array;
  /** Numbers of one row of the predictions. */
  readonly columns: number;
  /** Of classes, labels or values; default: their numbers. */
  readonly names?: readonly string[] | undefined;
  /** Of regression: predictions and labels are in these units of the contract's own. */
  readonly normalisations?: readonly (Normalisation | undefined)[] | undefined;
}

const known = (scores: Readonly<Record<string, number | undefined>>): ScoreList =>
  Object.fromEntries(
    Object.entries(scores).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );

/** Values in the contract's units: what the model gives, times the scale, and the mean. */
export const inUnits = (
  values: ArrayLike<number>,
  columns: number,
  normalisations: EvaluationInit['normalisations'],
): Float64Array =>
  Float64Array.from(values, (value, i) => {
    const by = normalisations?.[i % columns];
    return by === undefined ? value : value * by.scale + by.mean;
  });

/** Rows whose label is a class: padding of sequences is left out. */
const tokensOf = ({ task, predictions, labels, columns }: EvaluationInit) => {
  const padding = task.type === 'sequence' ? task.padding : undefined;
  const rows = [...labels.keys()].filter((i) => labels[i] !== padding);
  return {
    labels: rows.map((i) => labels[i] ?? 0),
    probabilities: Float32Array.from({ length: rows.length * columns }, (_, at) => {
      const row = rows[Math.floor(at / columns)] ?? 0;
      return predictions[row * columns + (at % columns)] ?? 0;
    }),
  };
};

const ofClasses = (init: EvaluationInit, names: readonly string[]): Evaluation => {
  const { columns, task } = init;
  const found = scoreClasses({ ...tokensOf(init), classes: columns });
  const { examples, accuracy, loss, auc, calibration, confusion, precision, recall } = found;
  return {
    task: task.type,
    examples,
    scores: known({ accuracy, auc, loss, calibrationError: calibration }),
    each: names.map((name, of) => ({
      name,
      scores: known({ precision: precision[of], recall: recall[of] }),
    })),
    names,
    confusion,
  };
};

const ofLabels = (init: EvaluationInit, names: readonly string[]): Evaluation => {
  const { predictions, labels, columns, task } = init;
  const { examples, accuracy, loss, auc } = scoreLabels(predictions, labels, columns);
  return {
    task: task.type,
    examples,
    scores: { accuracy, loss },
    each: names.map((name, of) => ({ name, scores: known({ auc: auc[of] }) })),
    names,
  };
};

const meanOf = (each: readonly NamedScores[], score: string): number | undefined => {
  const values = each.map(({ scores }) => scores[score]);
  const sum = values.reduce((a, b) => (a ?? Number.NaN) + (b ?? Number.NaN), 0);
  return sum === undefined || Number.isNaN(sum) ? undefined : sum / values.length;
};

const ofValues = (init: EvaluationInit, names: readonly string[]): Evaluation => {
  const { columns, task, normalisations } = init;
  const predictions = inUnits(init.predictions, columns, normalisations);
  const targets = inUnits(init.labels, columns, normalisations);
  const each = names.map((name, of) => ({
    name,
    scores: known({ ...scoreValues(predictions, targets, of, columns) }),
  }));
  // The mean over several columns, as scikit-learn's `uniform_average`.
  const whole = Object.fromEntries(
    ['r2', 'mae', 'mse', 'rmse'].map((score) => [score, meanOf(each, score)]),
  );
  return {
    task: task.type,
    examples: targets.length / columns,
    scores: known(whole),
    each,
    names,
  };
};

/** @throws FloeError `data_unfit` without examples, or where labels and predictions do not match */
export const evaluatePredictions = (init: EvaluationInit): Evaluation => {
  const { task, columns, predictions, labels } = init;
  const perLabel =
    task.type === 'multi-label' || task.type === 'regression'
      ? labels.length / columns
      : labels.length;
  if (predictions.length / columns !== perLabel)
    throw new FloeError(
      'data_unfit',
      `the model gives ${columns} ${task.type === 'regression' ? 'values' : 'labels'} an example, the data has others`,
    );
  const names = init.names ?? Array.from({ length: columns }, (_, i) => String(i));
  if (task.type === 'multi-label') return ofLabels(init, names);
  return task.type === 'regression' ? ofValues(init, names) : ofClasses(init, names);
};

const WORDS: Readonly<Record<string, string>> = {
  auc: 'AUC',
  loss: 'cross-entropy',
  calibrationError: 'calibration error (ECE)',
  r2: 'R2',
  mae: 'mean absolute error',
  mse: 'mean squared error',
  rmse: 'root of it (RMSE)',
};

const shown = (value: number): string =>
  Math.abs(value) >= 1000 || value === 0 ? value.toFixed(0) : value.toPrecision(4);

/** Cells in columns: the first one to the left, numbers to the right. */
const aligned = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_, j) =>
    Math.max(...rows.map((row) => (row[j] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, j) => (j === 0 ? cell.padEnd(widths[j] ?? 0) : cell.padStart(widths[j] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
};

/** Most classes whose confusion is printed. */
const MOST_CLASSES = 20;

/** The lines of an evaluation. */
export const describeEvaluation = (found: Evaluation): readonly Line[] => {
  const { scores, each, names, confusion, examples } = found;
  const lines = [
    result(`examples    ${examples}`),
    ...aligned(
      Object.entries(scores).map(([name, value]) => [WORDS[name] ?? name, shown(value)]),
    ).map(result),
  ];
  const columns = Object.keys(each[0]?.scores ?? {});
  const isOne = each.length === 1 && confusion === undefined;
  if (!isOne && columns.length > 0) {
    const head = ['', ...columns.map((name) => WORDS[name] ?? name)];
    const rows = each.map((one) => [
      one.name,
      ...columns.map((name) => (one.scores[name] === undefined ? '–' : shown(one.scores[name]))),
    ]);
    lines.push(info(''), ...aligned([head, ...rows]).map(info));
  }
  if (confusion === undefined) return lines;
  if (names.length > MOST_CLASSES)
    return [...lines, info(`confusion   of ${names.length} classes: --json shows it`)];
  const table = [
    ['', ...names],
    ...confusion.map((row, of) => [names[of] ?? '', ...row.map(String)]),
  ];
  return [
    ...lines,
    info(''),
    result('confusion: a row for each true class, a column for each predicted one'),
    ...aligned(table).map(result),
  ];
};
