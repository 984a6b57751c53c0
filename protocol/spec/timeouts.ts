/**
 * @module The timeout model of a run: the times of the specification in words, and how the deadline
 * of the uploads follows the upload times of an attempt. The times themselves are settings, see
 * settings/timeouts.ts.
 */
import type { RunSpec } from './run-spec.ts';
import { fieldIn } from './setting-schema.ts';
import type { Setting } from './setting.ts';
import { SETTINGS } from './settings.ts';

type Deadlines = RunSpec['deadlines'];

/** What a coordinator prints at start: each time with what it bounds. */
export const timeoutLines = (deadlines: Deadlines): readonly string[] =>
  Object.values(SETTINGS).flatMap((setting: Setting) => {
    const field = fieldIn('deadlines', setting.spec) as keyof Deadlines | undefined;
    if (field === undefined) return [];
    const unit = setting.type === 'duration' ? ' s' : '';
    return [`${deadlines[field]}${unit}: ${setting.help}`];
  });

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
