/**
 * @module The timeout model of a run, in one place: every time that the specification sets, with its flag, what it bounds and how
 * the deadline of the uploads follows the times that are observed. `floe coordinator` prints it at start, docs/timeouts.md is
 * generated from it.
 */
import type { RunSpec } from './run-spec.ts';

type Deadlines = RunSpec['deadlines'];

export interface Timeout {
  readonly field: keyof Deadlines;
  /** Of `floe coordinator` and `floe sim`, without its dashes; a run file has it in camel case. */
  readonly flag: string;
  readonly unit: 'seconds' | 'times the median';
  /** One sentence, after the value. */
  readonly says: string;
}

export const TIMEOUTS: readonly Timeout[] = [
  {
    field: 'register',
    flag: 'register-deadline',
    unit: 'seconds',
    says: 'for the invited to register; the phase ends earlier once the cohort is full',
  },
  {
    field: 'share',
    flag: 'share-deadline',
    unit: 'seconds',
    says: 'for the cohort to share its secrets, after the check of the newest commit',
  },
  {
    field: 'upload',
    flag: 'upload-deadline',
    unit: 'seconds',
    says: 'for training and upload, at most',
  },
  {
    field: 'uploadFactor',
    flag: 'upload-factor',
    unit: 'times the median',
    says: 'upload time of the attempt is what the others have, once a quorum has uploaded',
  },
  {
    field: 'uploadFloor',
    flag: 'upload-floor',
    unit: 'seconds',
    says: 'for training and upload, at least, however fast the quorum was',
  },
  {
    field: 'consistency',
    flag: 'consistency-deadline',
    unit: 'seconds',
    says: 'for the survivors to sign the survivor set',
  },
  {
    field: 'unmask',
    flag: 'unmask-deadline',
    unit: 'seconds',
    says: 'for the survivors to answer',
  },
  {
    field: 'grace',
    flag: 'grace',
    unit: 'seconds',
    says: 'after its connection was lost a participant is waited for, in every phase',
  },
];

/** What a coordinator says at start. */
export const timeoutLines = (deadlines: Deadlines): readonly string[] =>
  TIMEOUTS.map(({ field, unit, says }) =>
    unit === 'seconds' ? `${deadlines[field]} s ${says}` : `${deadlines[field]} ${unit} ${says}`,
  );

/**
 * Milliseconds that an upload may take, from the times of those that came.
 * @param took of each upload so far, ms, in any order
 * @param quorum how many the attempt needs
 */
export const uploadTime = (
  { upload, uploadFactor, uploadFloor }: Deadlines,
  took: readonly number[],
  quorum: number,
): number => {
  const most = upload * 1000;
  if (took.length === 0 || took.length < quorum) return most;
  const sorted = took.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] as number;
  return Math.min(most, Math.max(uploadFloor * 1000, uploadFactor * median));
};
