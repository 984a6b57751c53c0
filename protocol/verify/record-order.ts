/**
 * @module The order of the records of an attempt that commits: that of its phases.
 */
import type { RecordType } from '../records/records.ts';

export const RECORD_ORDER: readonly RecordType[] = [
  'open',
  'register',
  'cohort',
  'share',
  'sharers',
  'upload',
  'survivors',
  'consistent',
  'unmask',
  'commit',
];
