/**
 * @module The anomaly report of a run: measures the step of every commit against the last ones. It
 * keeps the step before and the mean of the last steps: two vectors of the model's size, and a
 * third while a round ends. None of it is in the journal; after a restart `rebuild.ts` measures the
 * newest commits again.
 */
import type { Committed } from '../machine/effects.ts';
import {
  anomaliesOf,
  EMPTY_SERIES,
  extended,
  MEAN_WEIGHT,
  WINDOW,
  type Anomaly,
  type RoundSeries,
  type StepReport,
} from './rules.ts';
import { median } from './robust-score.ts';

/** What is read of a commit. */
export type Judged = Pick<Committed, 'attempt' | 'version' | 'cohort' | 'survivors' | 'metrics'>;

/** A commit for an operator. */
export interface CommitNote {
  readonly attempt: number;
  /** Its round. */
  readonly version: number;
  readonly cohort: number;
  readonly survivors: number;
  readonly trainLoss: number | undefined;
  readonly step: StepReport;
  readonly anomalies: readonly Anomaly[];
}

export interface AnomalyStatus {
  readonly count: number;
  /** The first round that is counted: after a restart the report goes back some rounds. */
  readonly since: number | undefined;
  /** Of the newest round that has any. */
  readonly last: { readonly version: number; readonly found: readonly Anomaly[] } | undefined;
  /** The newest commits, the newest last. */
  readonly recent: readonly CommitNote[];
}

/** What the next commit is compared with. */
export interface AnomalyMark extends RoundSeries {
  /** The newest step and the mean of the last ones; absent before the first. */
  readonly previous?: Float32Array;
  readonly mean?: Float32Array;
  /** The newest training loss. */
  readonly loss?: number;
}

/** What a watch knows of the commits that it has judged. */
interface Memory {
  readonly previous: Float32Array | undefined;
  /** Changed in place. */
  readonly mean: Float32Array | undefined;
  readonly series: RoundSeries;
  readonly loss: number | undefined;
  readonly status: AnomalyStatus;
}

const NOTHING: Memory = {
  previous: undefined,
  mean: undefined,
  series: EMPTY_SERIES,
  loss: undefined,
  status: { count: 0, since: undefined, last: undefined, recent: [] },
};

export interface AnomalyWatch {
  /**
   * Takes the step of an attempt that may commit. Idempotent; an attempt that is aborted after it
   * leaves no trace. Both vectors have the model's size and are not changed.
   */
  measure(attempt: number, before: Float32Array, after: Float32Array): void;
  /**
   * The event with the numbers of its step and what is wrong with them; of a round among the newest
   * that it has judged before: as then.
   */
  judge<Event extends Judged>(
    event: Event,
  ): Event & { readonly step: StepReport; readonly anomalies: readonly Anomaly[] };
  status(): AnomalyStatus;
  /** As it stands after the newest commit. Its vectors are not copied. */
  mark(): AnomalyMark;
  /** Takes over all that another watch knows, in place of what it knows itself. */
  continueFrom(other: AnomalyWatch): void;
  readonly memory: Memory;
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

const lossOf = ({ metrics }: Judged): number | undefined => {
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

const measured = ({ previous, mean }: Memory, attempt: number, step: Float32Array): Measured => {
  const norm = Math.sqrt(dot(step, step));
  const cosine = cosineOf(step, norm, previous);
  return { attempt, step, norm, cosine, cosineMean: cosineOf(step, norm, mean) };
};

/** The mean with one more step; the first step is the mean. */
const withStep = (mean: Float32Array | undefined, step: Float32Array): Float32Array => {
  if (mean === undefined) return step.slice();
  for (let i = 0; i < mean.length; i += 1)
    mean[i] = (1 - MEAN_WEIGHT) * mean[i]! + MEAN_WEIGHT * step[i]!;
  return mean;
};

const reportOf = (
  { series: { norms } }: Memory,
  taken: Measured | undefined,
  jump: number | undefined,
): StepReport => {
  const { norm, cosine, cosineMean } = taken ?? {};
  const usual = norms.length === 0 ? 0 : median(norms);
  return {
    ...(norm === undefined ? {} : { norm }),
    ...(norm === undefined || usual === 0 ? {} : { normRatio: norm / usual }),
    ...(cosine === undefined ? {} : { cosine }),
    ...(cosineMean === undefined ? {} : { cosineMean }),
    ...(jump === undefined ? {} : { lossJump: jump }),
  };
};

const statusWith = (
  { count, since, last, recent }: AnomalyStatus,
  { attempt, version, cohort, survivors }: Judged,
  of: Pick<CommitNote, 'trainLoss' | 'step' | 'anomalies'>,
): AnomalyStatus => ({
  count: count + of.anomalies.length,
  since: since ?? version,
  last: of.anomalies.length > 0 ? { version, found: of.anomalies } : last,
  recent: [...recent, { attempt, version, cohort, survivors, ...of }].slice(-WINDOW),
});

const markedBy = ({ previous, mean, loss, norms, cosines, jumps }: AnomalyMark): Memory => ({
  ...NOTHING,
  previous,
  mean: mean?.slice(),
  series: { norms, cosines, jumps },
  loss,
});

/** @param from the mark of an earlier part of the run */
export const createAnomalyWatch = (from?: AnomalyMark): AnomalyWatch => {
  let pending: Measured | undefined;
  let memory = from === undefined ? NOTHING : markedBy(from);
  return {
    measure: (attempt, before, after) => {
      const step = new Float32Array(after.length);
      for (let i = 0; i < step.length; i += 1) step[i] = after[i]! - before[i]!;
      pending = measured(memory, attempt, step);
    },
    judge: (event) => {
      const taken = pending?.attempt === event.attempt ? pending : undefined;
      pending = undefined;
      const before = memory.status.recent.find(({ version }) => version === event.version);
      if (before !== undefined) return { ...event, step: before.step, anomalies: before.anomalies };
      const { series, loss, mean } = memory;
      const trainLoss = lossOf(event);
      const jump = trainLoss === undefined || loss === undefined ? undefined : trainLoss - loss;
      const step = reportOf(memory, taken, jump);
      const anomalies = anomaliesOf(step, series, loss);
      memory = {
        // A commit whose step was not seen leaves nothing to compare the next one's with.
        previous: taken?.step,
        mean: taken === undefined ? mean : withStep(mean, taken.step),
        series: extended(series, step),
        loss: trainLoss,
        status: statusWith(memory.status, event, { trainLoss, step, anomalies }),
      };
      return { ...event, step, anomalies };
    },
    status: () => memory.status,
    mark: () => {
      const { series, previous, mean, loss } = memory;
      return {
        ...series,
        ...(previous === undefined ? {} : { previous }),
        ...(mean === undefined ? {} : { mean }),
        ...(loss === undefined ? {} : { loss }),
      };
    },
    continueFrom: (other) => {
      memory = other.memory;
      if (pending !== undefined) pending = measured(memory, pending.attempt, pending.step);
    },
    get memory() {
      return memory;
    },
  };
};
