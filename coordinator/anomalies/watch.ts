/**
 * @module The anomaly report of a run: measures the step of every commit against the last ones. It
 * keeps the step before and the mean of the last steps: two vectors of the model's size, and a
 * third while a round ends. None of it is in the journal: after a restart the comparison begins
 * anew, and the first commit has no cosine.
 */
import type { Committed } from '../machine/effects.ts';
import {
  anomaliesOf,
  EMPTY_SERIES,
  extended,
  MEAN_WEIGHT,
  type Anomaly,
  type StepReport,
} from './rules.ts';
import { median } from './robust-score.ts';

/** Since the start of the process. */
export interface AnomalyStatus {
  readonly count: number;
  /** Of the newest round that has any. */
  readonly last: { readonly version: number; readonly found: readonly Anomaly[] } | undefined;
}

export interface AnomalyWatch {
  /**
   * Takes the step of an attempt that may commit. Idempotent; an attempt that is aborted after it
   * leaves no trace. Both vectors have the model's size and are not changed.
   */
  measure(attempt: number, before: Float32Array, after: Float32Array): void;
  /** The event with the numbers of its step and what is wrong with them. */
  judge(event: Committed): Committed;
  status(): AnomalyStatus;
}

/** In float64. */
const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
};

/** Undefined without a reference, and where either is zero. */
const cosineOf = (
  step: Float32Array,
  norm: number,
  other: Float32Array | undefined,
): number | undefined => {
  const otherNorm = other === undefined ? 0 : Math.sqrt(dot(other, other));
  return other === undefined || norm === 0 || otherNorm === 0
    ? undefined
    : Math.max(-1, Math.min(1, dot(step, other) / norm / otherNorm));
};

const lossOf = ({ metrics }: Committed): number | undefined => {
  const loss = metrics.find(({ name }) => name === 'trainLoss')?.value;
  return loss !== undefined && Number.isFinite(loss) ? loss : undefined;
};

interface Measured {
  readonly attempt: number;
  readonly step: Float32Array;
  readonly norm: number;
  readonly cosine: number | undefined;
  readonly cosineMean: number | undefined;
}

export const createAnomalyWatch = (): AnomalyWatch => {
  let pending: Measured | undefined;
  let previous: Float32Array | undefined;
  let mean: Float32Array | undefined;
  let series = EMPTY_SERIES;
  let loss: number | undefined;
  let count = 0;
  let last: AnomalyStatus['last'];

  /** A commit whose step was not seen leaves nothing to compare the next one's with. */
  const adopt = (measured: Measured | undefined): void => {
    pending = undefined;
    previous = measured?.step;
    if (measured === undefined) return;
    if (mean === undefined) {
      mean = measured.step.slice();
      return;
    }
    for (let i = 0; i < mean.length; i += 1)
      mean[i] = (1 - MEAN_WEIGHT) * mean[i]! + MEAN_WEIGHT * measured.step[i]!;
  };

  const reportOf = (measured: Measured | undefined, jump: number | undefined): StepReport => {
    const { norm, cosine, cosineMean } = measured ?? {};
    const { norms } = series;
    const usual = norms.length === 0 ? 0 : median(norms);
    return {
      ...(norm === undefined ? {} : { norm }),
      ...(norm === undefined || usual === 0 ? {} : { normRatio: norm / usual }),
      ...(cosine === undefined ? {} : { cosine }),
      ...(cosineMean === undefined ? {} : { cosineMean }),
      ...(jump === undefined ? {} : { lossJump: jump }),
    };
  };

  return {
    measure: (attempt, before, after) => {
      const step = new Float32Array(after.length);
      for (let i = 0; i < step.length; i += 1) step[i] = after[i]! - before[i]!;
      const norm = Math.sqrt(dot(step, step));
      const cosine = cosineOf(step, norm, previous);
      pending = { attempt, step, norm, cosine, cosineMean: cosineOf(step, norm, mean) };
    },
    judge: (event) => {
      const measured = pending?.attempt === event.attempt ? pending : undefined;
      const now = lossOf(event);
      const jump = now === undefined || loss === undefined ? undefined : now - loss;
      const step = reportOf(measured, jump);
      const anomalies = anomaliesOf(step, series, loss);
      series = extended(series, step);
      loss = now;
      adopt(measured);
      count += anomalies.length;
      if (anomalies.length > 0) last = { version: event.version, found: anomalies };
      return { ...event, step, anomalies };
    },
    status: () => ({ count, last }),
  };
};
