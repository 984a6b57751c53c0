/**
 * @module Metrics of held-out examples that are more than one mean: examples of each class and how
 * many of them are right, the confusion matrix, histograms of scores for the area under the ROC
 * curve (Hanley and McNeil 1982), bins of confidence for the calibration error (Guo et al. 2017),
 * tokens for the perplexity. They travel as counts, each a metric of the specification of kind
 * `sum`, so the sums are those of the pooled examples. What is shown follows from the sums: a few
 * numbers for a line, and one number a class beside them.
 */
import type { Contract } from '../spec/contract.ts';
import type { TensorSpec } from '../model/manifest.ts';
import type { MetricSpec, NamedSum, ReportedMetric } from './metric.ts';

/** What a run may measure in addition to loss and accuracy. */
export const MEASURES = ['classes', 'confusion', 'roc', 'calibration', 'perplexity'] as const;
export type Measure = (typeof MEASURES)[number];

/** Classes that are counted each, at most; of a confusion matrix. */
export const MOST_CLASSES = 200;
export const MOST_CONFUSED = 20;
/** Bins of equal width over [0, 1]: of scores, and of confidence (Guo et al. 2017). */
export const ROC_BINS = 32;
export const CONFIDENCE_BINS = 15;

/** Steps per unit of sums of numbers that are no counts. */
const PRECISE = 1000;

export const countNames = {
  total: (of: number): string => `testClass.${of}.total`,
  correct: (of: number): string => `testClass.${of}.correct`,
  confusion: (truth: number, predicted: number): string => `testConfusion.${truth}.${predicted}`,
  positive: (bin: number): string => `testRoc.${bin}.positive`,
  negative: (bin: number): string => `testRoc.${bin}.negative`,
  binTotal: (bin: number): string => `testConfidence.${bin}.total`,
  binCorrect: (bin: number): string => `testConfidence.${bin}.correct`,
  binSum: (bin: number): string => `testConfidence.${bin}.sum`,
  tokens: 'testTokens.total',
  tokenLoss: 'testTokens.loss',
} as const;

/** Whether a metric of the specification is one of these counts. */
export const isCount = ({ name }: { readonly name: string }): boolean =>
  /^test(?:Class|Confusion|Roc|Confidence|Tokens)\./u.test(name);

/** Whether a reported metric is one number of several, such as the recall of one class. */
export const isDetail = ({ name }: { readonly name: string }): boolean =>
  /^test(?:Recall|Precision)\.\d+$/u.test(name);

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

const sumOf = (name: string, scale = 1): MetricSpec => ({ name, kind: 'sum', scale });

const METRICS: Readonly<Record<Measure, (classes: number) => readonly MetricSpec[]>> = {
  classes: (classes) =>
    range(classes).flatMap((of) => [sumOf(countNames.total(of)), sumOf(countNames.correct(of))]),
  confusion: (classes) =>
    range(classes).flatMap((truth) =>
      range(classes).map((predicted) => sumOf(countNames.confusion(truth, predicted))),
    ),
  roc: () =>
    range(ROC_BINS).flatMap((bin) => [
      sumOf(countNames.positive(bin)),
      sumOf(countNames.negative(bin)),
    ]),
  calibration: () =>
    range(CONFIDENCE_BINS).flatMap((bin) => [
      sumOf(countNames.binTotal(bin)),
      sumOf(countNames.binCorrect(bin)),
      sumOf(countNames.binSum(bin), PRECISE),
    ]),
  perplexity: () => [sumOf(countNames.tokens), sumOf(countNames.tokenLoss, PRECISE)],
};

/** Tasks that a measure is for. */
const TASKS: Readonly<Record<Measure, readonly string[]>> = {
  classes: ['multi-class', 'binary'],
  confusion: ['multi-class', 'binary'],
  roc: ['multi-class', 'binary'],
  calibration: ['multi-class', 'binary'],
  perplexity: ['sequence'],
};

/** What measures are of. */
export interface MeasuredRun {
  readonly measures: readonly Measure[];
  /** Undefined where the specification leaves it to labels and model. */
  readonly task: string | undefined;
  /** Fraction that is held out; undefined where nothing is. */
  readonly holdout: number | undefined;
  /** Undefined where nothing says how many classes there are. */
  readonly classes: number | undefined;
}

/**
 * Classes of a run: of its contract, or else outputs of the model, which are the elements of its
 * last tensor where that is a bias. One output tells two classes apart.
 */
export const classesOf = (
  data: Contract | undefined,
  tensors: readonly TensorSpec[],
): number | undefined => {
  if (data?.target.type === 'classes') return data.target.classes.length;
  const shape = tensors.findLast(({ role = 'trainable' }) => role === 'trainable')?.shape;
  return shape?.length === 1 ? Math.max(2, shape[0]!) : undefined;
};

const violationOf = (measure: Measure, { task, classes }: MeasuredRun): string | undefined => {
  const tasks = TASKS[measure];
  if (task !== undefined && !tasks.includes(task))
    return `${measure}: expected the task ${tasks.join(' or ')}, got ${task}`;
  if (measure === 'calibration' || measure === 'perplexity') return undefined;
  if (classes === undefined) return `${measure}: expected a data contract that names the classes`;
  const most = measure === 'confusion' ? MOST_CONFUSED : measure === 'roc' ? 2 : MOST_CLASSES;
  return classes <= most
    ? undefined
    : `${measure}: expected at most ${most} classes, got ${classes}`;
};

/** What is wrong with the measures of a run, in words; undefined where nothing is. */
export const measuresViolation = (run: MeasuredRun): string | undefined => {
  if (run.measures.length === 0) return undefined;
  if (run.holdout === undefined)
    return 'expected examples that are held out (holdout), which are what is measured';
  return run.measures
    .map((measure) => violationOf(measure, run))
    .find((text) => text !== undefined);
};

/** The metrics that a specification declares for these measures. */
export const countMetrics = ({ measures, classes = 0 }: MeasuredRun): readonly MetricSpec[] =>
  // A confusion matrix says what the counts of its classes say.
  measures
    .filter((measure) => measure !== 'classes' || !measures.includes('confusion'))
    .flatMap((measure) => METRICS[measure](classes));

/** The same of a specification, whose list of metrics holds all that its measures declare. */
export const measuresInSpecViolation = ({
  data,
  model,
  training,
  metrics,
}: {
  readonly data?: Contract | undefined;
  readonly model: { readonly tensors: readonly TensorSpec[] };
  readonly training: {
    readonly measures?: readonly Measure[] | undefined;
    readonly task?: { readonly type: string } | undefined;
    readonly holdout?: number | undefined;
  };
  readonly metrics: readonly MetricSpec[];
}): string | undefined => {
  const measured = {
    measures: training.measures ?? [],
    task: training.task?.type,
    holdout: training.holdout,
    classes: classesOf(data, model.tensors),
  };
  const names = new Set(metrics.map(({ name }) => name));
  const violation = measuresViolation(measured);
  if (violation !== undefined) return violation;
  const name = countMetrics(measured).find((metric) => !names.has(metric.name))?.name;
  return name === undefined ? undefined : `expected the metric ${name}, which is not in the list`;
};

type Sums = ReadonlyMap<string, number>;

const mean = (name: string, value: number): ReportedMetric => ({ name, kind: 'mean', value });

const quotients = (
  word: 'testRecall' | 'testPrecision',
  pairs: readonly (readonly [part: number, whole: number])[],
): readonly ReportedMetric[] =>
  pairs.flatMap(([part, whole], of) => (whole === 0 ? [] : [mean(`${word}.${of}`, part / whole)]));

const ofRecalls = (recalls: readonly ReportedMetric[]): readonly ReportedMetric[] => {
  if (recalls.length === 0) return [];
  const values = recalls.map(({ value }) => value);
  return [
    mean('testMeanRecall', values.reduce((a, b) => a + b, 0) / values.length),
    mean('testLowestRecall', Math.min(...values)),
    ...recalls,
  ];
};

const fromClasses = (sums: Sums, classes: number): readonly ReportedMetric[] =>
  ofRecalls(
    quotients(
      'testRecall',
      range(classes).map((of) => [
        sums.get(countNames.correct(of)) ?? 0,
        sums.get(countNames.total(of)) ?? 0,
      ]),
    ),
  );

/** `confusion[truth][prediction]` examples over all sites; undefined where the run has none. */
export const confusionOf = (
  sums: readonly NamedSum[],
): readonly (readonly number[])[] | undefined => {
  const named = new Map(sums.map(({ name, sum }) => [name, sum]));
  const classes = range(MOST_CONFUSED).filter((of) => named.has(countNames.confusion(of, of)));
  if (classes.length === 0) return undefined;
  return classes.map((truth) =>
    classes.map((predicted) => named.get(countNames.confusion(truth, predicted)) ?? 0),
  );
};

const sumOfRow = (row: readonly number[]): number => row.reduce((a, b) => a + b, 0);

const fromConfusion = (matrix: readonly (readonly number[])[]): readonly ReportedMetric[] => {
  const column = (of: number): readonly number[] => matrix.map((row) => row[of]!);
  return [
    ...ofRecalls(
      quotients(
        'testRecall',
        matrix.map((row, of) => [row[of]!, sumOfRow(row)]),
      ),
    ),
    ...quotients(
      'testPrecision',
      matrix.map((row, of) => [row[of]!, sumOfRow(column(of))]),
    ),
  ];
};

/**
 * The probability that a positive example has a higher score than a negative one; examples of one
 * bin count by half. It differs from that of the scores by at most half of the pairs that share a
 * bin.
 */
const areaOf = (sums: Sums): readonly ReportedMetric[] => {
  let [positives, negatives, below] = [0, 0, 0];
  for (const bin of range(ROC_BINS)) {
    const positive = sums.get(countNames.positive(bin)) ?? 0;
    const negative = sums.get(countNames.negative(bin)) ?? 0;
    below += positive * (negatives + negative / 2);
    positives += positive;
    negatives += negative;
  }
  const pairs = positives * negatives;
  return pairs === 0 ? [] : [mean('testAuc', below / pairs)];
};

const calibrationOf = (sums: Sums): readonly ReportedMetric[] => {
  let [total, gaps] = [0, 0];
  for (const bin of range(CONFIDENCE_BINS)) {
    total += sums.get(countNames.binTotal(bin)) ?? 0;
    const correct = sums.get(countNames.binCorrect(bin)) ?? 0;
    gaps += Math.abs((sums.get(countNames.binSum(bin)) ?? 0) - correct);
  }
  return total === 0 ? [] : [mean('testCalibrationError', gaps / total)];
};

const perplexityOf = (sums: Sums): readonly ReportedMetric[] => {
  const tokens = sums.get(countNames.tokens) ?? 0;
  const loss = sums.get(countNames.tokenLoss) ?? 0;
  return tokens === 0 ? [] : [mean('testPerplexity', Math.exp(loss / tokens))];
};

/** What the counts of a commit say, as it is shown; nothing where nobody counted. */
export const countsAsMetrics = (counted: readonly NamedSum[]): readonly ReportedMetric[] => {
  const sums = new Map(counted.map(({ name, sum }) => [name, sum]));
  const confusion = confusionOf(counted);
  const classes = counted.filter(({ name }) => /^testClass\.\d+\.total$/u.test(name)).length;
  return [
    ...(confusion === undefined ? fromClasses(sums, classes) : fromConfusion(confusion)),
    ...areaOf(sums),
    ...calibrationOf(sums),
    ...perplexityOf(sums),
  ];
};
