/**
 * @module What is measured on each commit, and the rule that makes an anomaly of it. Every number
 * is a function of the published models and of the metrics of the sum: nothing else of an update
 * is read. An anomaly changes neither the model nor a record; it tells the operator where to look.
 *
 * A value is an anomaly when both hold: its modified z-score among the last rounds is beyond 3.5
 * (the limit of Iglewicz and Hoaglin 1993), and it is far from usual in its own unit, because the
 * spread of a smooth series is so small that harmless changes have high scores.
 */
import { median, modifiedZScore } from './robust-score.ts';

/** Rounds that a value is compared with, and how many there must be. */
export const WINDOW = 10;
export const LEAST_ROUNDS = 5;
/** Of modified z-scores. */
export const SCORE_LIMIT = 3.5;
/** A step is this many times longer than the median, or as many times shorter. */
export const NORM_FACTOR = 2;
/** The loss rises by this share of what it was. */
export const LOSS_SHARE = 0.1;
/** Weight of the newest step in the mean of the last ones: half of it is the last three. */
export const MEAN_WEIGHT = 0.2;

/**
 * `step_norm`: the step is far longer or shorter than the last ones. `step_direction`: it points
 * against their mean. `train_loss`: the training loss, which is of the model before the step, has
 * jumped up.
 */
export const ANOMALY_KINDS = ['step_norm', 'step_direction', 'train_loss'] as const;
export type AnomalyKind = (typeof ANOMALY_KINDS)[number];

export interface Anomaly {
  readonly kind: AnomalyKind;
  /** What it is about: `sum`, the aggregate of the round. */
  readonly subject: string;
  /** The norm, cosine or difference of the loss. */
  readonly value: number;
  /** Median of the last rounds. */
  readonly usual: number;
  /** Modified z-score among the last rounds, at most 1000 either way. */
  readonly score: number;
}

/**
 * The numbers of one commit. The step is the model after the round less the model before, over all
 * parameters. What has no reference yet is absent: in the first rounds, and in the first after a
 * restart of the coordinator.
 */
export interface StepReport {
  /** L2 norm; absent where the coordinator was restarted between the sum and the commit. */
  readonly norm?: number;
  /** Of the norm to the median norm of the last rounds. */
  readonly normRatio?: number;
  /** To the step before, -1 to 1. */
  readonly cosine?: number;
  /** To the exponentially weighted mean of the last steps, -1 to 1. */
  readonly cosineMean?: number;
  /** The training loss less that of the round before. */
  readonly lossJump?: number;
}

/** Names that tell what the numbers are of, among others of a round. */
export interface StepNumbers {
  readonly stepNorm?: number;
  readonly stepNormRatio?: number;
  readonly stepCosine?: number;
  readonly stepCosineMean?: number;
  readonly lossJump?: number;
}

export const stepNumbers = (step: StepReport = {}): StepNumbers => ({
  ...(step.norm === undefined ? {} : { stepNorm: step.norm }),
  ...(step.normRatio === undefined ? {} : { stepNormRatio: step.normRatio }),
  ...(step.cosine === undefined ? {} : { stepCosine: step.cosine }),
  ...(step.cosineMean === undefined ? {} : { stepCosineMean: step.cosineMean }),
  ...(step.lossJump === undefined ? {} : { lossJump: step.lossJump }),
});

/** What the last rounds were like, the newest last. */
export interface RoundSeries {
  readonly norms: readonly number[];
  readonly cosines: readonly number[];
  readonly jumps: readonly number[];
}

export const EMPTY_SERIES: RoundSeries = { norms: [], cosines: [], jumps: [] };

const appended = (series: readonly number[], value: number | undefined): readonly number[] =>
  value === undefined ? series : [...series, value].slice(-WINDOW);

/** The series with one more round. */
export const extended = (
  { norms, cosines, jumps }: RoundSeries,
  { norm, cosineMean, lossJump }: StepReport,
): RoundSeries => ({
  norms: appended(norms, norm),
  cosines: appended(cosines, cosineMean),
  jumps: appended(jumps, lossJump),
});

/** Undefined without enough rounds to compare with. */
const judged = (
  value: number | undefined,
  others: readonly number[],
): Pick<Anomaly, 'value' | 'usual' | 'score'> | undefined =>
  value === undefined || others.length < LEAST_ROUNDS
    ? undefined
    : { value, usual: median(others), score: modifiedZScore(value, others) };

/** A step of length 0 has no logarithm; here it is shorter than any other. */
const log = (value: number): number => Math.log(Math.max(value, Number.MIN_VALUE));

/** Norms are compared by their logarithms, where twice and half are equally far. */
const normAnomaly = (norm: number | undefined, norms: readonly number[]): Anomaly | undefined => {
  if (norm === undefined || norms.length < LEAST_ROUNDS) return undefined;
  const usual = median(norms);
  const score = modifiedZScore(log(norm), norms.map(log));
  const far = norm > NORM_FACTOR * usual || norm * NORM_FACTOR < usual;
  return far && Math.abs(score) > SCORE_LIMIT
    ? { kind: 'step_norm', subject: 'sum', value: norm, usual, score }
    : undefined;
};

/** @param lossBefore of the round before, where there is one */
export const anomaliesOf = (
  { norm, cosineMean, lossJump }: StepReport,
  { norms, cosines, jumps }: RoundSeries,
  lossBefore: number | undefined,
): readonly Anomaly[] => {
  const found: Anomaly[] = [];
  const length = normAnomaly(norm, norms);
  if (length !== undefined) found.push(length);
  const direction = judged(cosineMean, cosines);
  if (direction !== undefined && direction.score < -SCORE_LIMIT && direction.value < 0)
    found.push({ kind: 'step_direction', subject: 'sum', ...direction });
  const jump = judged(lossJump, jumps);
  const rise = LOSS_SHARE * Math.abs(lossBefore ?? 0);
  if (jump !== undefined && jump.score > SCORE_LIMIT && jump.value > rise)
    found.push({ kind: 'train_loss', subject: 'sum', ...jump });
  return found;
};
